"""SIGTERM and SIGHUP for a command: raised like Ctrl-C, so that what is half done is undone, with the exit code that shells expect."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ..runner.signals import SIGNALS

CTRL_C = 130


class Ended(KeyboardInterrupt):
    """The process was asked to end."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number


def code_of(number: int) -> int:
    """The exit code of a command that a signal ended; 0 stands for Ctrl-C."""
    return 128 + number if number else CTRL_C


@contextmanager
def raised() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise `Ended` in the main thread. One that is ignored, as under nohup, stays ignored."""
    usual: dict[int, Any] = {}

    def end(number: int, frame: Any) -> NoReturn:
        raise Ended(number)

    if threading.current_thread() is threading.main_thread():
        usual = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is signal.SIG_DFL}
    try:
        for number in usual:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def ignore() -> None:
    """From here on no signal but SIGKILL ends this process: what it still does takes a moment, and must not be cut off."""
    for number in (signal.SIGINT, *SIGNALS):
        signal.signal(number, signal.SIG_IGN)
