"""The runs of the store as the table that pages list and search, computed anew only for runs that have changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from appcore.analysis import conditions, run_library
from appcore.locks import Locks

from . import page

_MOST = 4  # tables that are kept: of several users, or with other runs of a user
_lock, _reading = threading.Lock(), Locks()
_kept: OrderedDict[tuple, tuple[tuple, pd.DataFrame]] = OrderedDict()
_told: dict[str, run_library.Told] = {}  # by store: what follows from the settings and numbers of each run


def overview(runs: Sequence[Mapping[str, Any]], ablations: Sequence[Mapping[str, Any]] = ()) -> pd.DataFrame:
    """`run_library.overview` of these runs, which must not be changed; the same table as long as nothing of them has changed."""
    store = page.store()
    members = tuple((ablation["sweep_id"], tuple(ablation["run_ids"])) for ablation in ablations)
    state = (tuple((run["run_id"], run["revision"], run["status"]) for run in runs), members)
    key = (store.url, store.owner, bool(ablations))
    with _reading.of(key):
        with _lock:
            known = _kept.get(key)
        if known is None or known[0] != state:
            newest = store.megabatches([run["run_id"] for run in runs], newest=True)
            known = (state, run_library.overview(runs, newest, ablations, _told.setdefault(store.url, {})))
        with _lock:
            _kept[key] = known
            _kept.move_to_end(key)
            while len(_kept) > _MOST:
                _kept.popitem(last=False)
    return known[1]


def read_ahead() -> None:
    """Await the recorded runs and read all there are, so that pages find known what takes two seconds for a store of ten thousand."""
    from appcore.service import manager

    page.await_recorded()
    store = manager.shared().store
    if not store.exists():
        return
    found = store.runs(recorded=True)
    newest = store.megabatches([run["run_id"] for run in found], newest=True)
    run_library.overview(found, newest, told=_told.setdefault(store.url, {}))


def fitting(runs: Sequence[Mapping[str, Any]], search: str) -> list[str]:
    """The ids of those of these runs that a search of the library finds, in their order; InputError where it cannot be read."""
    found = set(conditions.search(overview(runs), search)["run_id"])
    return [run["run_id"] for run in runs if run["run_id"] in found]
