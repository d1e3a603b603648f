"""Which process owns a run, and whether it is still alive. Knows nothing of what a run does.

On one machine a process is known by its id and start time. Elsewhere it lives as long as its heartbeat moves, by the clock of whoever
looks: clocks of two machines may be hours apart, and clocks can be set, so their difference proves nothing.
"""

from __future__ import annotations

import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil

BEAT_SECONDS = 2.0
LOST_SECONDS = 60.0  # without a heartbeat for this long, a process hangs or its training thread has died
WATCH_SECONDS = 2.5 * BEAT_SECONDS  # a heartbeat that stands still for this long, and has no possible time, is nobody's
_MOST_WATCHED = 10_000
Life = Literal["alive", "gone", "unsure"]


def of(pid: int) -> dict[str, Any]:
    """Columns of `runs` that make a process of this machine the owner of a run. psutil.NoSuchProcess where there is none."""
    return {"pid": pid, "host": socket.gethostname(), "process_started": _started(pid)}


@cache
def me() -> dict[str, Any]:
    """The same for this process."""
    return of(os.getpid())


if hasattr(os, "register_at_fork"):  # a child is a process of its own
    os.register_at_fork(after_in_child=me.cache_clear)


def _started(pid: int) -> float:
    """When a process began: on Linux in seconds since the machine's own start, which stay when its clock is set; else by the clock."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return psutil.Process(pid).create_time()


def is_mine(row: Mapping[Any, Any]) -> bool:
    """Whether this process owns the run."""
    return (row["pid"], row["host"]) == (me()["pid"], me()["host"]) and abs((row["process_started"] or 0.0) - me()["process_started"]) < 1.0


def _is_running(row: Mapping[Any, Any]) -> bool:
    """Whether the process that owns a run, one of this machine, is there; a later one with its id is another."""
    try:
        process = psutil.Process(row["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # The second is how rows of earlier versions say it.
        return any(abs(started - (row["process_started"] or 0.0)) < 1.0 for started in (_started(row["pid"]), process.create_time()))
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


@dataclass
class _Sighting:
    """A heartbeat of a run: when it was first and last seen, by this process's clock, and whether it followed an earlier one."""

    owner: tuple
    beat: float
    first: float
    last: float
    has_moved: bool


class Sightings:
    """The heartbeats that this process has seen, of active runs, and what follows about their owners."""

    def __init__(self) -> None:
        self._seen: dict[str, _Sighting] = {}
        self._lock = threading.Lock()

    def judge(self, row: Mapping[Any, Any]) -> Life:
        """Whether the owner of an active run lives; "unsure" where only a clock speaks against it: to be watched before anybody acts."""
        try:
            return self._judge(row)
        except (TypeError, ValueError, OverflowError):  # a row that breaks a rule (row_rules.py): no process of ours wrote it
            return "gone"

    def quiet(self, row: Mapping[Any, Any]) -> float:
        """Seconds since the last sign of life of the owner of an active run; by its own clock until it has been seen to move."""
        if not row["heartbeat"]:
            return math.inf
        seen, has_moved = self._look(row)
        return seen if has_moved else max(seen, time.time() - row["heartbeat"])

    def _judge(self, row: Mapping[Any, Any]) -> Life:
        if not row["heartbeat"]:
            return "gone"  # let go, or from a backup
        is_here = row["host"] == me()["host"] and row["pid"] is not None
        if is_here and not is_mine(row) and not _is_running(row):
            return "gone"
        quiet, has_moved = self._look(row)
        if has_moved or quiet > LOST_SECONDS:
            return "gone" if quiet > LOST_SECONDS else "alive"
        ahead = row["heartbeat"] - time.time()
        if abs(ahead) <= LOST_SECONDS or (is_here and ahead > 0.0):  # its clock was set back, and it is there
            return "alive"
        return "gone" if quiet > WATCH_SECONDS else "unsure"

    def _look(self, row: Mapping[Any, Any]) -> tuple[float, bool]:
        """Seconds for which the heartbeat of a run has been the same, and whether it has been seen to move."""
        now, owner = time.monotonic(), (row["pid"], row["host"], row["process_started"])
        with self._lock:
            known = self._seen.pop(row["run_id"], None)
            if known is None or (known.owner, known.beat) != (owner, row["heartbeat"]):
                known = _Sighting(owner, row["heartbeat"], now, now, known is not None and _follows(known, owner, row["heartbeat"], now))
            known.last = now
            self._seen[row["run_id"]] = known
            while len(self._seen) > _MOST_WATCHED:
                self._seen.pop(next(iter(self._seen)))
            return now - known.first, known.has_moved


def _follows(known: _Sighting, owner: tuple, beat: float, now: float) -> bool:
    """Whether a heartbeat is the next of the same owner: later, by about the time between. After a long look away nothing can be said."""
    return known.owner == owner and now - known.last <= LOST_SECONDS and 0.0 < beat - known.beat <= now - known.first + LOST_SECONDS


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
