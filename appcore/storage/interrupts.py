"""Holds signals that raise, such as Ctrl-C, back while a transaction is open."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_HELD = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def held_back() -> Iterator[None]:
    """Delay Ctrl-C, and SIGTERM and SIGHUP where the program handles them, to the end of the block; a second one takes effect at once.

    Raised between a BEGIN and its end, KeyboardInterrupt leaves a connection that is never rolled back: its traceback keeps it alive, it
    keeps its lock, and every later write finds the store locked. Signals reach the main thread alone, so other threads need nothing.
    """
    usual: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # what is ignored, left to the system, or not Python's stays as it is
        usual = {number: handler for number in _HELD if callable(handler := signal.getsignal(number))}
    struck: list[tuple[int, Any]] = []

    def note(number: int, frame: Any) -> None:
        struck.append((number, frame))
        if len(struck) > 1:
            usual[number](number, frame)

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    try:
        for number in usual:
            signal.signal(number, note)
        yield
    finally:
        try:
            restore()
        finally:
            restore()  # one that came between two of them has raised already
        if struck:
            usual[struck[0][0]](*struck[0])
