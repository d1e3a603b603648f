"""Which process owns a run, and whether it is still alive. Knows nothing of what a run does."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import psutil

BEAT_SECONDS = 2.0
LOST_SECONDS = 60.0  # without a heartbeat for this long, a process hangs or its training thread has died
_REUSED_SECONDS = 10.0  # another start time proves a reused pid only when heartbeats are missing too: clocks can be set


@cache
def me() -> dict[str, Any]:
    """Columns of `runs` that make this process the owner of a run."""
    process = psutil.Process()
    return {"pid": process.pid, "host": socket.gethostname(), "process_started": process.create_time()}


def is_mine(row: Mapping[Any, Any]) -> bool:
    """Whether this process owns the run."""
    return (row["pid"], row["host"]) == (me()["pid"], me()["host"]) and abs((row["process_started"] or 0.0) - me()["process_started"]) < 1.0


def is_gone(row: Mapping[str, Any], now: float) -> bool:
    """Whether the process that owns a run has ended, judged by pid and start time on this host and by heartbeat elsewhere."""
    silence = now - (row["heartbeat"] or 0.0)
    if silence > LOST_SECONDS:
        return True
    if row["host"] != me()["host"] or row["pid"] is None:
        return False
    try:
        process = psutil.Process(row["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(process.create_time() - (row["process_started"] or 0.0)) > 1.0 and silence > _REUSED_SECONDS
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


class Heartbeat:
    """A daemon thread that records every two seconds, also during long steps, that this process still owns the runs of `run_ids()`.

    It stops when `is_alive()` is False, so that a dead training thread is noticed.
    """

    def __init__(self, beat: Callable[[list[str]], None], run_ids: Callable[[], Iterable[str]], is_alive: Callable[[], bool] | None = None):
        self._beat, self._run_ids, self._is_alive = beat, run_ids, is_alive or (lambda: True)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="appcore-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def __enter__(self) -> Heartbeat:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    def _loop(self) -> None:
        while not self._ended.wait(BEAT_SECONDS) and self._is_alive():
            try:
                held = list(self._run_ids())
                if held:
                    self._beat(held)
            except Exception as error:  # a store that is busy now may be free at the next beat
                print(f"{time.strftime('%H:%M:%S')} heartbeat: {error}", file=sys.stderr)
