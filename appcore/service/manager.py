"""The manager: everything that pages and the command line can do with runs. Takes and returns plain data only.

Plain, because Streamlit reloads edited source: classes then have two identities in one process, dicts do not. For the same
reason pages that catch its errors should catch ValueError, which InputError is, and read `.message` and `.field`.
"""

from __future__ import annotations

import atexit
import copy
import json
import sys
import threading
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import limits, paths, plugins
from ..analysis.what_if import Density
from ..errors import InputError
from ..models import own_code
from ..quotas import WEIGHT, check_granularity
from ..runner import admission, run_log
from ..runner.engine_port import Engine, Work
from ..runner.launcher import Launcher, is_elsewhere
from ..statuses import ACTIVE, COMMANDS, ENDED, LEFT, RESUMABLE
from ..storage import checkpoint, run_result
from ..storage.store import Store
from . import access, uploads, what_if
from .ablations import Ablations
from .estimates import Estimates
from .labels import checked_labels
from .machine import Machine
from .model_files import Exports
from .once import Once
from .recorded import Recorded
from .same_runs import RANKS, SameRuns
from .starting import Starting
from .what_if import WhatIfQueue

TWICE_SECONDS = 5.0  # a second press of Start within this time counts as the first
LOOK_SECONDS = 0.5  # how often a wait looks into the store while the run goes on
_ESTIMATE_SECONDS = 2.0  # for which the end waits for estimates that go on
_TOKENS = 1000
MOVES = ("front", "up", "down", "back")
_BOX = "_appcore_runtime"  # outside the package and without a file: Streamlit's reloader leaves it alone


class Manager:
    """Starts runs and sends commands to them; one for each process and store, see `shared`."""

    def __init__(self, store: Store | None = None, *, work: Work | None = None):
        self.store = self._everybody = store or Store()
        self._work = work or Engine()
        self.machine = Machine(self.store)
        names = plugins.choices("launchers")
        self._launchers = {name: Launcher(self.store, name, work=work, most=self.machine.most) for name in names}
        self._starting = Starting(self.store, self._work, self._launchers)
        # Side by side in processes, which drive the engine: any other work can only be driven here.
        self._of_many = plugins.DEFAULT_LAUNCHER if work else plugins.SIDE_BY_SIDE
        self.ablations = Ablations(self.store, partial(self._starting.start, self.store), self._work, self._of_many)
        self.exports: Exports | access.Owned = Exports(self.store)
        self.recorded = Recorded(self.store)
        self._scoring = WhatIfQueue(self.store)
        self._estimates = Estimates(self.store, self._work, self._launchers[plugins.DEFAULT_LAUNCHER].call)
        self._started = Once(_TOKENS, TWICE_SECONDS)
        self._views: dict[tuple[str, bool], Manager] = {}
        self._lock = threading.Lock()  # of the views: every page of everybody asks for one, so it is held for nothing else

    def of(self, owner: str, *, sees_all: bool = False) -> Manager:
        """This manager as one user sees it: runs that they start are theirs, and unless `sees_all` no others exist."""
        with self._lock:
            view = self._views.get((owner, sees_all))
            if view is None:
                view = self._views[owner, sees_all] = copy.copy(self)
                view.store = self._everybody.of(owner, sees_all=sees_all)
                view.ablations = Ablations(view.store, partial(self._starting.start, view.store), self._work, self._of_many)
                view.exports = access.Owned(self.exports, view.store)
                view.machine = self.machine.of(view.store, may_choose=sees_all)
            return view

    # ---- commands

    def start(
        self,
        configs: list[dict[str, Any]],
        launcher: str = plugins.DEFAULT_LAUNCHER,
        titles: list[str] | None = None,
        token: str | None = None,
        *,
        group: str | None = None,
    ) -> list[str]:
        """Create runs that advance in lockstep, and queue them. InputError before anything is written.

        With a `group` of your own they are jobs of their own instead: one after another where the launcher trains in this process, and with
        `plugins.SIDE_BY_SIDE` as many at once as this machine has slots for. A `token` repeated within seconds returns the same runs, so
        that Start pressed twice starts one run.
        """
        start = partial(self._starting.start, self.store, configs, launcher, titles, group)
        return list(start() if token is None else self._started((self.store.owner, token), start))

    def start_once(
        self,
        configs: list[dict[str, Any]],
        launcher: str = plugins.DEFAULT_LAUNCHER,
        titles: list[str] | None = None,
        token: str | None = None,
        *,
        group: str | None = None,
    ) -> dict[str, list[str]]:
        """As `start`, but settings that have been run with these data, or are, by whomever, are not run again: {"runs": an id for each of
        the settings, "reused": those of them that were there}. A run of somebody else can be read from then on, and not be changed."""

        def start() -> dict[str, list[str]]:
            known = SameRuns(self._work)
            run_ids = self._starting.start(self.store, configs, launcher, titles, group, known=known)
            return {"runs": run_ids, "reused": known.reused}

        return copy.deepcopy(start() if token is None else self._started((self.store.owner, token, "once"), start))

    def same(self, config: dict[str, Any]) -> str | None:
        """A run that this user sees and `start_once` would probably give, done or going on; data are not looked at."""
        found = [row for row in self.store.same([self._work.config(config).fingerprint]) if row["is_seen"]]
        return min(found, key=lambda row: RANKS[row["status"]])["run_id"] if found else None

    def rehearse(self, configs: Iterable[dict[str, Any]], launcher: str = plugins.DEFAULT_LAUNCHER) -> None:
        """InputError where one of these runs could not start. Nothing is written."""
        self._starting.check_launcher(launcher)
        for config in configs:
            self._starting.rehearse(self.store, config)

    def pause(self, run_id: str) -> None:
        """Pause a run with its state kept in memory; a waiting run is held in the queue while later ones begin."""
        row = self.store.own(run_id)
        if row["status"] not in ACTIVE:
            raise InputError(f"run {row['run_id']} is {row['status']}; only a run that is going on can be paused", "run_id")
        if row["status"] != "paused" or row["command"]:
            self._send([row["run_id"]], "pause")

    def resume(self, run_id: str, launcher: str | None = None) -> None:
        """Continue a paused run at once, or a stopped, failed or lost one from its last checkpoint."""
        row = self.store.own(run_id)
        run_id = row["run_id"]
        if row["status"] in ACTIVE:
            self._send([run_id], "resume")
            return
        if row["status"] == "done":
            raise InputError(f"run {run_id} is done; there is nothing left to resume", "run_id")
        launcher = launcher or (row["launcher"] if row["launcher"] in self._launchers else plugins.DEFAULT_LAUNCHER)
        self._wait_until_let_go(run_id)
        access.check_files(self.store, row)
        self._starting.resume(self.store, row, launcher, RESUMABLE)

    def stop(self, run_id: str) -> None:
        """Stop a run in any process, resumable. Does nothing to one that has ended; one whose process is gone counts as stopped."""
        self._end(run_id, "stop")

    def preempt(self, run_id: str) -> None:
        """Stop a run, resumable, where no more than the work of the segment under way is lost: as soon as a checkpoint has the rest."""
        self._end(run_id, "preempt")

    def send(self, run_ids: list[str], command: str) -> None:
        """Send a command (pause, resume, stop, preempt) to many runs at once; those that have ended stay as they are."""
        if command not in COMMANDS:
            raise InputError(f"command: unknown name {command!r}; choose one of {', '.join(COMMANDS)}", "command")
        self._send(run_ids, command)

    def move(self, run_id: str, where: str) -> None:
        """Move a waiting run in the queue: "front", "up", "down" or "back". Runs that advance in lockstep move together."""
        if where not in MOVES:
            raise InputError(f"where: unknown place {where!r}; choose one of {', '.join(MOVES)}", "where")
        run_id = self.store.own(run_id)["run_id"]
        if not any(launcher.move(run_id, where) for launcher in self._launchers.values()):
            raise InputError(f"run {run_id} is not waiting in this process; only a run that waits can be moved", "run_id")

    def label(self, run_id: str, **labels: Any) -> None:
        """Label a run: title=text, note=text, tags=list of words, archived=bool (hidden, nothing is deleted)."""
        self.store.update(self.store.own(run_id)["run_id"], **checked_labels(labels))

    def share(self, run_id: str, is_wanted: bool) -> None:
        """Let everybody at this store read a run, or nobody any more but who asked the same."""
        self.store.share(self.store.own(run_id)["run_id"], is_wanted)

    def delete(self, run_id: str) -> None:
        """Delete an ended run with its files, also one whose row cannot be read. A run that is shared goes for this user alone: whoever
        reads it stays with it, and has it from then on where it was this user's."""
        run_id = self.store.find(run_id)
        self.store.settle([run_id])
        if not (self.store.owner and self.store.leave(run_id)):
            self.store.delete(run_id)

    def import_bundle(self, path: str | Path) -> str:
        """Add the run of a bundle that `export` wrote, here or elsewhere; returns its id."""
        return access.import_bundle(self.store, path)

    def take_images(self, data: bytes, name: str = ".zip") -> tuple[str, bool]:
        """Keep uploaded images, `name` being that of the file; see service/uploads."""
        return uploads.take_images(self.store, data, name)

    def allow_code(self, arch: str) -> str:
        """Let a Python file be run as a network, see models/own_code; the name that stands for it as it is now."""
        return own_code.allow(arch, self.store.owner)

    def allow_restored_code(self, arch: str) -> str:
        """The same for the code of a kept name that came with a backup; the name stays."""
        return own_code.allow_restored(arch, self.store.owner)

    # ---- queries

    def runs(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Every run but for recorded ones, newest first, without the long columns `started` and `traceback`."""
        return self.store.runs(limit)

    def get(self, run_id: str) -> dict[str, Any]:
        """All columns of a run, which may be named by a unique beginning of its id."""
        return self.store.get(run_id)

    def result(self, run_id: str) -> dict[str, Any]:
        """The object that `run --json` prints."""
        return run_result.result(self.store, run_id)

    def estimate(self, config: dict[str, Any]) -> dict[str, Any]:
        """What a run would cost, see service/estimates; and `at_once`: how many such runs would train side by side."""
        found = self._estimates.of(config)
        return {**found, "at_once": self.machine.at_once(found.get("device", "cpu"), found["slots"], found.get("memory_bytes", 0))}

    def estimate_soon(self, config: dict[str, Any], patience: float) -> dict[str, Any] | None:
        """As `estimate`, but None while it is measured for longer than `patience` seconds: ask again."""
        key = self.store.owner, json.dumps(config, sort_keys=True)
        return self._estimates.soon(key, partial(self.estimate, config), patience)

    def waiting(self) -> list[str]:
        """The runs that wait in this process, in the order in which they will begin."""
        found = [run_id for launcher in self._launchers.values() for run_id in launcher.waiting()]
        visible = {run_id for run_id, _, _ in self.store.revision(found)} if found else set()
        return [run_id for run_id in found if run_id in visible]

    def scores(self, config: dict[str, Any] | None, run_id: str | None, criterion: str, granularity: str = WEIGHT) -> dict[str, Any]:
        """Scores of a fresh network or of a run's newest checkpoint as a sketch: {"state": ready, "sketch"}, or failed with "error",
        or waiting or scoring, when the caller should ask again. See service/what_if and analysis/what_if."""
        return self._ask(config, run_id, criterion, what=what_if.SCORES, **_groups(granularity))

    def cut_accuracy(
        self,
        config: dict[str, Any] | None,
        run_id: str | None,
        criterion: str,
        density: Density,
        scope: str,
        exempt: list[str],
        granularity: str = WEIGHT,
    ) -> dict[str, Any]:
        """The test accuracy of the network cut by a criterion and not trained, as `scores` with "answer"; see engine/shown/cut_accuracy."""
        about = {"density": density, "scope": scope, "exempt": exempt, **_groups(granularity)}
        return self._ask(config, run_id, criterion, what=what_if.CUT, **about)

    def sensitivity(self, config: dict[str, Any] | None, run_id: str | None, criterion: str, granularity: str = WEIGHT) -> dict[str, Any]:
        """The test accuracy with only one layer cut, for each layer, as `scores` with "answer"; see engine/shown/cut_accuracy."""
        return self._ask(config, run_id, criterion, what=what_if.SENSITIVITY, **_groups(granularity))

    def look(self, run_id: str, cursor: int | None = None) -> dict[str, Any]:
        """Test images, confusion and first filters of a run at a checkpoint (default: the newest), as `scores` with "answer"; see
        engine/shown/inspection. "weights": whether they are those of the run, or the initial ones, because no checkpoint is here."""
        row = self.store.get(run_id)
        is_trained = cursor is not None or bool(self.checkpoints(row["run_id"]))
        found = self._ask(row["config"], row["run_id"] if is_trained else None, "", what=what_if.LOOK, cursor=cursor)
        return found | {"weights": is_trained}

    def checkpoints(self, run_id: str) -> list[int]:
        """The segments after which a checkpoint of a run is here, newest first."""
        return checkpoint.cursors(paths.run_folder(self.store.folder, run_id))

    def forget_scores(self, key: str) -> None:
        """Forget a failed request for scores, so that it can be made again."""
        self._scoring.forget(key)

    def queue_position(self, run_id: str) -> int | None:
        """0: begun; n: the n-th job to wait for its device; None: not owned by this process, or not to be seen by this user."""
        found = [launcher.position(run_id) for launcher in self._launchers.values()] if self.store.revision(run_id) else []
        return next((position for position in found if position is not None), None)

    def waits_for(self, run_id: str) -> str:
        """The other program that the next run here waits for, in words; empty for any other run."""
        launchers = self._launchers.values() if self.store.revision(run_id) else ()
        return next((words for launcher in launchers if (words := launcher.waits_for(run_id))), "")

    def log(self, run_id: str, most: int = run_log.MOST_BYTES) -> dict[str, Any] | None:
        """The end of what the worker process of a run printed, see runner/run_log: {"text", "size", "is_cut", "written"}. None where it
        printed nothing or there was none; and of a run that somebody else shares, for it names their folders."""
        row = self.store.get(run_id)
        found = None if row.get("is_shared") else run_log.read(paths.run_folder(self.store.folder, row["run_id"]), most)
        return found and found._asdict()

    def wait(self, run_id: str, timeout: float | None = None) -> str | None:
        """The final status of a run once it has ended, or None when it has not within `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            status = self.store.get(run_id)["status"]
            if status in ENDED and not (status in LEFT and self._is_alive_elsewhere(run_id)):
                return status
            if deadline is not None and time.monotonic() >= deadline:
                return None
            self._doze(run_id, deadline)

    def close(self) -> None:
        """Stop all runs that this process drives, resumable. Returns within about two seconds; four where an estimate goes on."""
        for launcher in self._launchers.values():
            launcher.close()
        self._scoring.close()
        self._estimates.close(_ESTIMATE_SECONDS)

    # ---- internal

    def _ask(self, config: dict[str, Any] | None, run_id: str | None, criterion: str, **about: Any) -> dict[str, Any]:
        if run_id is not None:
            row, allowed = self.store.get(run_id), limits.load(self.store.folder)
            return self._scoring.ask(None, row["run_id"], criterion, lambda: allowed.check_path(row["config"].get("dataset", "")), **about)
        built = self._work.config({**(config or {}), **({"pruner": criterion} if criterion else {})})
        return self._scoring.ask(config, None, criterion, lambda: admission.check_settings(self.store, self._work, built), **about)

    def _doze(self, run_id: str, deadline: float | None) -> None:
        """Sleep until the next look into the store is due, which is at once when this process lets go of the run.

        Looks are rare because each holds the interpreter for a millisecond: twenty a second made steps of 40 ms 8 % slower.
        """
        until = min(time.monotonic() + LOOK_SECONDS, deadline or float("inf"))
        was_alive = self._is_alive(run_id)
        while time.monotonic() < until and self._is_alive(run_id) == was_alive:
            time.sleep(0.05)

    def _is_alive(self, run_id: str) -> bool:
        return any(launcher.alive(run_id) for launcher in self._launchers.values())

    def _is_alive_elsewhere(self, run_id: str) -> bool:
        """Whether a run is at an engine, which may have it started again when its worker is gone."""
        return any(is_elsewhere(name) and launcher.alive(run_id) for name, launcher in self._launchers.items())

    def _end(self, run_id: str, command: str) -> None:
        run_id = self.store.own(run_id)["run_id"]
        self._send([run_id], command)
        self.store.settle([run_id])  # what its status says from here on is certain

    def _send(self, run_ids: list[str], command: str) -> None:
        self.store.update_all(run_ids, ACTIVE, command=command)
        for launcher in self._launchers.values():
            launcher.sweep()

    def _wait_until_let_go(self, run_id: str) -> None:
        """Wait until the thread is done with the run, which is shortly after it has written the status."""
        deadline = time.monotonic() + 2.0
        while self._is_alive(run_id) and time.monotonic() < deadline:
            time.sleep(0.01)


def _groups(granularity: str) -> dict[str, str]:
    """What a question says of groups: nothing where single weights are ranked. InputError for a granularity that there is not."""
    try:
        check_granularity(granularity)
    except ValueError as error:
        raise InputError(f"granularity: {error}", "granularity") from None
    return {} if granularity == WEIGHT else {"granularity": granularity}


def shared() -> Manager:
    """The one manager of this process for the store that APPCORE_STORE names; survives source reloads and cleared caches."""
    box = sys.modules.setdefault(_BOX, ModuleType(_BOX))
    lock = box.__dict__.setdefault("lock", threading.Lock())
    managers = box.__dict__.setdefault("managers", {})
    place = (paths.store_address(), Path.cwd())
    with lock:
        if place not in managers:
            managers[place] = Manager(Store(place[0]))
            atexit.register(managers[place].close)
        return managers[place]
