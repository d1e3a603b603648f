"""Starts, finds, moves and stops the runs of one launcher (see launchers/base); one queue for each device."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from .. import plugins
from ..errors import InputError
from ..storage.store import Store
from .device_queue import Queue
from .engine_port import Work
from .hardware import device_of

CLOSE_SECONDS = 2.0  # how long Ctrl-C waits for a step to end; what has not stopped by then is lost, and resumable too


def is_elsewhere(name: str) -> bool:
    """Whether a launcher has runs carried out by an engine, which go on without this program."""
    return plugins.declares("launchers", name, "IS_ELSEWHERE")


def missing(name: str) -> str:
    """What a launcher needs and is not here, in one line that says how to get it; empty where nothing is."""
    literals = plugins.find("launchers", name).literals
    package, variable = literals.get("PACKAGE"), literals.get("VARIABLE")
    if package and not find_spec(package):
        return f"launcher {name} needs the package {package}; run: pip install {package}"
    if variable and not os.environ.get(variable):
        return f"launcher {name} needs the variable {variable}; docs/CLUSTER.md says what it means"
    return ""


def check(store: Store, name: str) -> None:
    """InputError, in one line, for a launcher that cannot start runs of this store."""
    if problem := missing(name):
        raise InputError(problem, "launcher")
    getattr(plugins.load("launchers", name), "check", lambda store: None)(store)


class Launcher:
    """The queues of one launcher in this process. `start` takes runs created or claimed by this process.

    `most`: how many jobs may train at once elsewhere than in this process; None: as many as this machine has slots for.
    """

    def __init__(self, store: Store, name: str, *, work: Work | None = None, most: Callable[[], int | None] = lambda: None):
        self._store, self._name, self._work, self._most = store, name, work, most
        self._lock = threading.Lock()
        self._queues: dict[str, Queue] = {}

    def start(self, *jobs: list[str]) -> None:
        """Queue jobs, each of runs that advance in lockstep. InputError when one of the runs is here already."""
        found = self._store.queued(run_id for job in jobs for run_id in job)
        wanted = [found[job[0]]["config"].get("device", "auto") if job[0] in found else "auto" for job in jobs]
        devices = {name: device_of(name) for name in set(wanted)}
        with self._lock:
            here = {run_id for queue in self._queues.values() if queue.is_alive() for run_id in queue.run_ids()}
            for run_id in here.intersection(run_id for job in jobs for run_id in job):
                raise InputError(f"run {run_id} has been started already", "run_id")
            for job, name in zip(jobs, wanted, strict=True):
                fences = {run_id: found[run_id]["fence"] for run_id in job if run_id in found}
                self._queue(devices[name]).add(job, fences, found[job[0]]["owner"] if job[0] in found else "")

    def _queue(self, device: str) -> Queue:
        if device not in self._queues:
            start = plugins.load("launchers", self._name).start
            where = {"is_here": plugins.declares("launchers", self._name, "IN_THIS_PROCESS"), "is_elsewhere": is_elsewhere(self._name)}
            self._queues[device] = Queue(device, self._store, start, self._work, **where, most=self._most)
        return self._queues[device]

    def alive(self, run_id: str) -> bool:
        """Whether the run waits, runs or is paused here."""
        return any(queue.is_alive() and run_id in queue.run_ids() for queue in list(self._queues.values()))

    def position(self, run_id: str) -> int | None:
        """0: begun; n: the n-th job to wait for the device; None: not here."""
        found = [queue.position(run_id) for queue in list(self._queues.values())]
        return next((position for position in found if position is not None), None)

    def waits_for(self, run_id: str) -> str:
        """The other programs that the next run here waits for, in words; empty for any other run."""
        return next((words for queue in list(self._queues.values()) if (words := queue.waits_for(run_id))), "")

    def call(self, device: str, function: Callable[[], Any]) -> Any:
        """Call a function in a device's training thread and return its result; BusyError while a job trains there."""
        with self._lock:
            queue = self._queue(device)
        return queue.call(function)

    def waiting(self) -> list[str]:
        """The runs that wait, queue by queue, in the order in which they will begin."""
        return [run_id for queue in list(self._queues.values()) for run_id in queue.waiting()]

    def move(self, run_id: str, where: str) -> bool:
        """Move a job that waits: "front", "up", "down" or "back"; False when it is not waiting here."""
        return any(queue.move(run_id, where) for queue in list(self._queues.values()))

    def sweep(self) -> None:
        """Let waiting jobs obey the commands sent to them at once."""
        for queue in list(self._queues.values()):
            queue.sweep()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Stop every run, waiting briefly for steps to end. They can be resumed."""
        deadline = time.monotonic() + seconds
        for queue in list(self._queues.values()):
            queue.close(deadline)
        if self._queues:
            getattr(plugins.load("launchers", self._name), "let_go", lambda store: None)(self._store)
