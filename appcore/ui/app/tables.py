"""Tables of the store for the figures of pages, read as often as pages may draw, and a token that says whether anything is new.

All pages that show the same runs share them: twenty tabs read, compute and draw once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd

from ..words import run_status
from . import page

# Of one core, for drawing: Python runs one thread at a time, so this is taken from the thread that trains.
_SHARE = 0.06
_LONGEST_WAIT = 10.0  # seconds
_MOST = 8  # sets of runs whose tables are kept
_T = TypeVar("_T")


@dataclass(frozen=True)
class Frames:
    """Everything that was recorded of some runs. Rows are only ever added, so their numbers are a fair token of news."""

    epochs: pd.DataFrame
    megabatches: pd.DataFrame
    prunes: pd.DataFrame
    layers: pd.DataFrame
    titles: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # that pages drew of them last, see `live.chart`
    _known: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def token(self, *names: str) -> tuple[tuple[str, ...] | int, ...]:
        """Changes when one of these tables has grown, or a run was renamed: figures say the names."""
        return self.titles, *(len(getattr(self, name)) for name in names)

    def once(self, key: Hashable, compute: Callable[[], _T]) -> _T:
        """What `compute` makes of these tables, computed once for each key."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


@dataclass(frozen=True)
class _Kept:
    token: tuple
    statuses: tuple
    frames: Frames
    read: float  # when
    spent: float  # processor seconds that pages had been drawn for by then


_kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
_lock = threading.Lock()


def read(runs: Sequence[Mapping[str, Any]]) -> Frames:
    """The tables of these runs; read again only when one of them has come further and the last news were not drawn just now.

    The dearer pages are to draw, the longer they wait for more news; nobody waits for the first layers or for the end of a run.
    """
    run_ids, store = [run["run_id"] for run in runs], page.store()
    token = tuple((run["status"], run["cursor"], _place(run)) for run in runs)
    statuses, titles = tuple(run["status"] for run in runs), tuple(run["title"] for run in runs)
    which = (store.url, *run_ids)
    with _lock:
        kept = _kept.get(which)
        if kept is None or (kept.statuses, kept.frames.titles) != (statuses, titles) or (kept.token != token and not _may_wait(kept, runs)):
            frames = Frames(store.epochs(run_ids), store.megabatches(run_ids), store.prunes(run_ids), store.layers(run_ids), titles)
            kept = _kept[which] = _Kept(token, statuses, frames, time.monotonic(), page.spent())
        _kept.move_to_end(which)
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return kept.frames


def _may_wait(kept: _Kept, runs: Sequence[Mapping[str, Any]]) -> bool:
    is_going_on = any(run_status.is_active(run) for run in runs)
    is_soon = time.monotonic() - kept.read < min((page.spent() - kept.spent) / _SHARE, _LONGEST_WAIT)
    return is_going_on and is_soon and len(kept.frames.layers) > 0


def _place(run: Mapping[str, Any]) -> tuple[int, int]:
    progress = run["progress"] or {}
    return progress.get("megabatch", -1), progress.get("epoch", -1)
