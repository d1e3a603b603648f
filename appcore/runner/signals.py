"""SIGTERM and SIGHUP, by which schedulers, service managers and closed terminals ask a process to end: noted, so that it can save first.

Whoever drives runs then sends them the command `preempt`, which the driver obeys wherever it runs (see driver._obey).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass
class Ending:
    """Whether the process was asked to end, and by which signal."""

    number: int = 0

    @property
    def is_asked(self) -> bool:
        return self.number != 0


@contextmanager
def noted() -> Iterator[Ending]:
    """Within the block the first SIGTERM or SIGHUP is noted; another one has its usual effect, which is to end the process at once.

    One that is ignored, as under nohup, stays ignored. Signals reach the main thread alone: in any other nothing is noted.
    """
    ending = Ending()
    usual: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:  # takes no lock: the main thread may hold it
        ending.number = number
        restore()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        usual = {number: signal.getsignal(number) for number in SIGNALS}
        usual = {number: handler for number, handler in usual.items() if handler not in (signal.SIG_IGN, None)}
        for number in usual:
            signal.signal(number, note)
    try:
        yield ending
    finally:
        restore()
