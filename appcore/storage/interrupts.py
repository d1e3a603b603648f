"""Holds Ctrl-C back while a transaction is open."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def held_back() -> Iterator[None]:
    """Delay Ctrl-C to the end of the block; a second one takes effect at once.

    Raised between a BEGIN and its end, KeyboardInterrupt leaves a connection that is never rolled back: its traceback keeps it alive, it
    keeps its lock, and every later write finds the store locked. Signals reach the main thread alone, so other threads need nothing.
    """
    usual = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if not callable(usual):  # ignored, or left to the system, or not ours
        yield
        return
    struck: list[tuple[int, Any]] = []

    def note(number: int, frame: Any) -> None:
        struck.append((number, frame))
        if len(struck) > 1:
            usual(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if struck:
            usual(*struck[0])
