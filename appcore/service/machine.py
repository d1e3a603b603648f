"""This machine: what it has, how many runs train on it at once, what trains and what waits; and the others that this store has."""

from __future__ import annotations

import time
from typing import Any

from ..errors import InputError
from ..runner import hardware, slots
from ..storage import heartbeat
from ..storage.store import Store
from . import hosts
from .engine_nodes import EngineNodes

_KNOWN_SECONDS = 1.0  # for so long a number that was read counts: it is asked for ten times a second


class Machine:
    """Commands and queries about the slots of this machine, and what is known of others. `may_choose`: whether this user may change the
    number of slots."""

    def __init__(self, store: Store, *, may_choose: bool = True, nodes: EngineNodes | None = None):
        self._store, self.may_choose = store, may_choose
        self._nodes = nodes or EngineNodes()
        self._known: tuple[float, int | None] = (-_KNOWN_SECONDS, None)
        slots.workers()  # InputError for a wrong value, before anything waits for it

    def of(self, store: Store, *, may_choose: bool) -> Machine:
        """The same machine as another user sees it."""
        return Machine(store, may_choose=may_choose, nodes=self._nodes)

    def most(self) -> int | None:
        """How many runs may train at once in processes of their own; None: as many as there is room for. What was said when the program
        was started comes before what was chosen on a page."""
        said = slots.workers()
        if said is not None:
            return said
        if time.monotonic() - self._known[0] >= _KNOWN_SECONDS:
            chosen = self._store.workers.of(heartbeat.me()["host"]) if self._store.exists() else None  # looking creates no store
            self._known = time.monotonic(), chosen
        return self._known[1]

    def at_once(self, device: str, need: float, size: int) -> int:
        """How many runs that need so many slots and bytes each train at once here while nothing else does."""
        return self.most() or slots.room(device, need, size)

    def choose(self, count: int | None) -> None:
        """Choose how many; None leaves it to the rule. InputError for what is no such number, or from who may not."""
        if not self.may_choose:
            raise InputError("workers: only admins choose how many runs train at once on this server", "workers")
        if count is not None and not 1 <= count <= slots.MOST_WORKERS:
            raise InputError(f"workers: {count} is no number of workers; choose 1 to {slots.MOST_WORKERS}", "workers")
        self._store.workers.choose(heartbeat.me()["host"], count)
        self._known = -_KNOWN_SECONDS, None

    def others(self) -> dict[str, Any]:
        """All machines that drive runs of this store, and what waits at engines: {"hosts", "at_engines"} of service/hosts, and {"nodes",
        "silent"} of service/engine_nodes."""
        is_there = self._store.exists()  # looking creates no store
        rows, waiting = (self._store.at_work(), self._store.waiting()) if is_there else ([], {})
        return {"hosts": hosts.hosts(rows, waiting, heartbeat.me()["host"]), "at_engines": hosts.at_engines(rows), **self._nodes.now()}

    def survey(self) -> dict[str, Any]:
        """What the machine has, and what trains and waits in its lines, by all programs of the user of the system who runs this one.

        {"host", "cores", "memory" (bytes), "gpus": [{"name", "title", "memory"}], "most", "is_said" (when the program was started),
        "lines": [{"device", "gpu", "run_ids" (those that this user may see), "pid", "need" (slots), "size" (bytes), "is_training"}]}
        """
        lines = slots.survey()
        run_ids = [line["what"].removeprefix("run ").split(" and ") for line in lines]
        seen = {run_id for run_id, _, _ in self._store.revision([one for ids in run_ids for one in ids])} if lines else set()
        return {
            "host": heartbeat.me()["host"],
            "cores": hardware.cores(),
            "memory": hardware.memory(),
            "gpus": [{"name": gpu.name, "title": gpu.title, "memory": gpu.memory} for gpu in hardware.gpus()],
            "most": self.most(),
            "is_said": slots.workers() is not None,
            "lines": [{**line, "run_ids": [one for one in ids if one in seen]} for line, ids in zip(lines, run_ids, strict=True)],
        }
