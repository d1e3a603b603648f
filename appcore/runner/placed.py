"""A job (see launchers/base) whose worker an engine starts somewhere: a cluster's scheduler, or any command. Knows no engine.

The store is the truth, the engine only places work. Its own retries are off: they come while the run still counts as driven, and are
refused. A job is placed again when the engine says that its worker is gone, or when its runs have shown no sign of life for as long as
makes a run lost; never because the engine could not be asked, for a run that nobody hears of may be well.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .. import paths, plugins
from ..statuses import ACTIVE, ENDING, LEFT, OVER, STARTED, WAITING
from ..storage import heartbeat
from ..storage.store import Store
from . import over, slots
from .worker import PLACED, PREEMPTED

MOST_ATTEMPTS = 5  # in a row without a segment more
ROOT = Path(__file__).resolve().parents[2]
_LEAST_WAIT, _MOST_WAIT = 2.0, 60.0  # seconds between attempts, but for the first, which follows at once
_LOCAL = (slots.SLOTS_VARIABLE, slots.WORKERS_VARIABLE)  # of the environment, what is about this machine


class Ended(NamedTuple):
    """How a worker ended: its exit code, or that of what should have started it; None where the engine says that it is gone."""

    code: int | None
    words: str


class Placed(Protocol):
    """A worker that an engine was asked for. `ended` is None while it goes on or waits, and may raise where the engine cannot be asked."""

    def ended(self) -> Ended | None: ...
    def cancel(self) -> None: ...


def may_go_on(row: Mapping[str, Any]) -> bool:
    """Whether a run that was given away has not ended for good: it is active or lost, or stopped because its worker was asked to end."""
    return row["status"] in (*ACTIVE, "lost") or (row["status"] == "stopped" and row["error"] == PREEMPTED)


class PlacedJob:
    """Runs that a worker drives in lockstep wherever `submit(run_ids)` places it, and again elsewhere when it is gone. What was paused
    stays so: no worker is asked for while all of the job waits for Resume.

    Only runs that wait and are this process's are placed; others are watched until they are lost. Their worker goes on when this process
    ends.
    """

    is_eager = False

    def __init__(self, store: Store, run_ids: Sequence[str], submit: Callable[[list[str]], Placed]):
        self._store, self._all, self._submit = store, list(run_ids), submit
        self.run_ids, self.is_running = list(run_ids), True
        self._placed: Placed | None = None
        self._due = float("inf")  # when to place it again
        self._holders: dict[str, dict[str, Any]] = {}  # who took the runs after they had been placed
        self._paused: set[str] = set()  # the runs that were paused when their worker was last heard of
        self._attempts, self._reached = 0, 0
        self._has_obeyed = False
        if own := self._own():
            self._placed = self._submit(own)

    def advance(self) -> bool:
        """Look at the store and ask the engine; False when all runs have ended."""
        self._obey()
        states = {run_id: status for run_id, _, status in self._store.revision(self._all)}
        self._paused = {run_id for run_id, now in states.items() if now == "paused" or (now in LEFT and run_id in self._paused)}
        active = [run_id for run_id in self._all if states.get(run_id) not in (None, *OVER)]
        preempted = [run_id for run_id in self._all if states.get(run_id) == "stopped" and may_go_on(self._store.get(run_id))]
        self.is_running = not active or any(states[run_id] != "paused" for run_id in active)
        self.run_ids = [*active, *preempted]
        ended = self._ask(states)
        if ended and ended.code != 0:
            if ended.code is None:
                self._forfeit(active)
            self._again(self.run_ids, ended.words)
        elif preempted and not active and self._placed is None and self._due == float("inf"):
            self._again(preempted, PREEMPTED)
        elif any(states[run_id] == "lost" for run_id in active) and self._due == float("inf"):
            self._again(active, "its worker gave no sign of life any more")
        elif self._due <= time.monotonic():
            self._place()
        if not self.run_ids and self._placed and self._has_obeyed:
            self._cancel()
        return bool(self.run_ids)

    def close(self, seconds: float = 0.0) -> None:
        """Nothing: the worker is the engine's, and its runs go on."""

    # ---- what has become of it

    def _obey(self) -> None:
        """Stop runs that wait and are asked to; hold a job that nobody was asked for yet while all of it is paused, as a queue does.

        A worker obeys every other command once it has begun.
        """
        told = self._store.commands(self.run_ids)
        own = self._own() if told else []  # a worker also asks itself, to end in good order
        if asked := [run_id for run_id in own if told.get(run_id) in ENDING]:
            self._store.update_all(asked, WAITING, is_held=True, obeying=ENDING, status="stopped")
            self._has_obeyed = True
        elif self._placed is None and own and all(told.get(run_id) == "pause" for run_id in own):
            self._store.update_all(own, ("queued",), is_held=True, obeying=("pause",), status="paused")
            self._due = float("inf")
        elif self._placed is None and "resume" in map(told.get, own):
            self._store.update_all(own, ("paused",), is_held=True, obeying=("resume",), status="queued")
            self._store.update_all(own, ("paused",), is_held=True, status="queued", command="pause")  # which its worker obeys at once
            self._due = time.monotonic()

    def _ask(self, states: Mapping[str, str]) -> Ended | None:
        """How the worker ended, if it did. Meanwhile it is remembered who drives the runs."""
        if self._placed is None:
            return None
        for run_id in self._all:
            if states.get(run_id) in STARTED and run_id not in self._holders:
                row = self._store.get(run_id)
                if not heartbeat.is_mine(row):
                    self._holders[run_id] = {name: row[name] for name in ("pid", "host", "process_started")}
        try:
            return self._placed.ended()
        except Exception as error:
            print(f"runs {', '.join(self._all)}: could not be asked for: {error}", file=sys.stderr)
            return None

    def _forfeit(self, run_ids: Sequence[str]) -> None:
        """Take runs from the worker that is gone; one that another process drives by now stays with it."""
        for run_id in run_ids:
            if run_id in self._holders:
                self._store.forfeit(run_id, self._holders[run_id], status="lost")

    # ---- placing it

    def _again(self, run_ids: Sequence[str], words: str) -> None:
        """Take these runs, but for those that are driven, and have them placed again after a while; or give them up."""
        self._cancel()
        rows = [self._store.get(run_id) for run_id in run_ids]
        rows = [row for row in rows if heartbeat.is_mine(row) or row["status"] not in ("queued", *STARTED)]
        self._due = float("inf")
        if not rows:  # another process drives them
            return
        reached = sum(row["cursor"] or 0 for row in rows)
        self._attempts = 1 if reached > self._reached else self._attempts + 1
        self._reached = reached
        end = f"it was started {MOST_ATTEMPTS} times without getting on, the last time because {words}; resume to try again"
        is_last = self._attempts >= MOST_ATTEMPTS
        told = {"status": "failed", "error": end} if is_last else {"status": "queued", "error": None}
        for row in rows:
            with suppress(ValueError):  # taken by another process
                notes = row["notes"] or []
                notes = notes if is_last else [*notes, f"started again: {words}"]
                command = None if is_last else self._still_asked(row)
                self._store.claim(row["run_id"], (*WAITING, *LEFT), notes=notes, command=command, **told)
                if is_last:
                    over.tell(self._store, row["run_id"], "failed", end)
        if not is_last:
            self._due = time.monotonic() + (0.0 if self._attempts == 1 else min(_MOST_WAIT, _LEAST_WAIT**self._attempts))

    def _still_asked(self, row: Mapping[str, Any]) -> str | None:
        """The command that a run is to obey once it is placed again; what its worker had asked of it ended with that."""
        command = None if row["error"] == PREEMPTED and row["command"] == "preempt" else row["command"]
        return command or ("pause" if row["run_id"] in self._paused else None)

    def _own(self) -> list[str]:
        """The runs that wait, for a worker or for Resume, and are this process's."""
        states = {run_id: status for run_id, _, status in self._store.revision(self._all)}
        return [run_id for run_id in self._all if states.get(run_id) in WAITING and heartbeat.is_mine(self._store.get(run_id))]

    def _place(self) -> None:
        own, self._due = self._own(), float("inf")
        if not own:  # another process has them
            return
        self._holders = {}
        try:
            self._placed = self._submit(own)
        except Exception:
            traceback.print_exc()
            self._due = time.monotonic() + _LEAST_WAIT**MOST_ATTEMPTS

    def _cancel(self) -> None:
        placed, self._placed = self._placed, None
        if placed is not None:
            with suppress(Exception):  # it is gone already, or cannot be asked: its writes are fenced
                placed.cancel()


# ---- what is placed


def environment(store: Store) -> dict[str, str]:
    """The variables by which a worker elsewhere finds store, files, data and plug-ins, and computes with as many threads."""
    found = {name: value for name, value in os.environ.items() if name.startswith("APPCORE_") and name not in _LOCAL}
    found |= {
        paths.STORE_VARIABLE: store.url,
        paths.RUNS_VARIABLE: str(store.folder),
        paths.DATA_VARIABLE: str(paths.data_root().absolute()),
    }
    if named := os.environ.get(plugins.FOLDER_VARIABLE):
        found[plugins.FOLDER_VARIABLE] = str(Path(named).absolute())
    return found


def command(run_ids: Sequence[str], variables: Mapping[str, str]) -> str:
    """A shell command that drives runs on any machine that has this program, its Python and the files in the same places."""
    arguments = [sys.executable, "-m", f"{__package__}.worker", PLACED, *run_ids]
    told = [f"{name}={value}" for name, value in sorted(variables.items())]
    return f"cd {shlex.quote(str(ROOT))} && exec {shlex.join(['env', *told, *arguments])}"


def carry_out(run_ids: list[str], variables: Mapping[str, str]) -> int:
    """Drive runs in this process, which an engine has started for them and ends afterwards; returns the exit code of a worker."""
    os.environ.update(variables)
    if hasattr(signal, "SIGUSR2"):  # by which submitit announces that a job's time is over
        signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    from . import worker

    return worker.main([PLACED, *run_ids])
