"""Launchers: where runs are driven, in a thread of this process or in worker processes; one queue for each device."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from ...errors import InputError
from ...storage.store import Store
from ..device_queue import Job, Queue
from ..engine_port import Work

CLOSE_SECONDS = 2.0  # how long Ctrl-C waits for a step to end; what has not stopped by then is lost, and resumable too


def device_of(config: dict[str, Any]) -> str:
    """The queue that a run belongs to. Asks the graphics driver, not torch, whose import would hold up the page."""
    if config.get("device", "auto") != "auto":
        return config["device"]
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return "cpu"
    try:
        import pynvml

        pynvml.nvmlInit()
        return "cuda" if pynvml.nvmlDeviceGetCount() else "cpu"
    except Exception:  # no library, no driver, no device: all the same here
        return "cpu"


class Launcher:
    """`start` queues runs that this process created or claimed; a list of them advances in lockstep."""

    _job: type[Job]

    def __init__(self, store: Store, *, work: Work | None = None):
        self._store, self._work = store, work
        self._lock = threading.Lock()
        self._queues: dict[str, Queue] = {}

    def start(self, run_ids: list[str]) -> None:
        """Queue a job. InputError when one of its runs is here already."""
        device = device_of(self._store.get(run_ids[0])["config"])
        with self._lock:
            for run_id in run_ids:
                if self.alive(run_id):
                    raise InputError(f"run {run_id} has been started already", "run_id")
            if device not in self._queues:
                self._queues[device] = Queue(device, self._store, self._job, self._work)
            self._queues[device].add(run_ids)

    def alive(self, run_id: str) -> bool:
        """Whether the run waits, runs or is paused here."""
        return any(queue.is_alive() and run_id in queue.run_ids() for queue in list(self._queues.values()))

    def position(self, run_id: str) -> int | None:
        """0: begun; n: the n-th job to wait for the device; None: not here."""
        found = [queue.position(run_id) for queue in list(self._queues.values())]
        return next((position for position in found if position is not None), None)

    def waiting(self) -> list[str]:
        """The runs that wait, queue by queue, in the order in which they will begin."""
        return [run_id for queue in list(self._queues.values()) for run_id in queue.waiting()]

    def move(self, run_id: str, where: str) -> bool:
        """Move a job that waits: "front", "up", "down" or "back"; False when it is not waiting here."""
        return any(queue.move(run_id, where) for queue in list(self._queues.values()))

    def sweep(self) -> None:
        """See to it at once that waiting runs obey."""
        for queue in list(self._queues.values()):
            queue.sweep()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Stop everything, waiting a moment for steps to end. What was going on can be resumed."""
        deadline = time.monotonic() + seconds
        for queue in list(self._queues.values()):
            queue.close(deadline)
