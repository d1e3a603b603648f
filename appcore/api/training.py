"""Runs that are kept in a store, from a notebook or a script."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from ..config import RunConfig
from ..errors import InputError
from ..models import own_code
from ..service.manager import Manager
from ..storage.store import Store
from .stored import Address


def train(configs: RunConfig | Iterable[RunConfig], *, together: bool = False, store: Address = None) -> list[str]:
    """Carry out runs in this process, keep them in a store, and return their ids once all have ended; the app shows them meanwhile.

    One after the other, or `together`: in lockstep, as the pair on Start. Interrupted (Ctrl-C), they stop and can be resumed. InputError,
    before anything begins, for settings that cannot be carried out, and at the end for a run that failed or was stopped.
    """
    given = [configs] if isinstance(configs, RunConfig) else configs
    wanted = [{**config.model_dump(mode="json"), "arch": own_code.allow(config.arch)} for config in given]
    manager = Manager(Store(store))
    try:
        jobs = [wanted] if together else [[one] for one in wanted]
        ids = [run_id for job in jobs for run_id in manager.start(job)]
        for run_id in ids:
            if manager.wait(run_id, 2.0) is None and (others := manager.waits_for(run_id)):
                print(f"waiting for {others}; with APPCORE_SHARE=1 runs do not wait for each other", file=sys.stderr)
            manager.wait(run_id)
        for row in map(manager.get, ids):
            if row["status"] != "done":
                why = row["error"] or f"it was {row['status']}; resume it, or train it again"
                raise InputError(f"run {row['run_id']}: {why}", "run_id")
        return ids
    finally:
        manager.close()
        manager.store.close()
