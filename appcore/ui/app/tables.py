"""Tables of the store for figures, read no more often than pages may redraw, with a token that changes with new data.

All pages that show the same runs share them: for twenty tabs they are read, computed and drawn once.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pandas as pd

from appcore.charts.playback.moments import Moments
from appcore.locks import Locks
from appcore.planning import stages

from ..words import format, run_status
from . import page

# Share of one core for drawing: Python runs one thread at a time, so drawing slows the training thread.
_SHARE = 0.04
# What a browser on the same machine takes is not counted: ten times what drawing takes here, and steps of two threads on two cores wait
# for both. So curves are drawn anew when they are a seventh longer, which a short run soon is, and a long one seldom.
_GROWTH = 0.15
_LONGEST_WAIT = 30.0  # seconds
_PACES = ((30.0, 1.0), (120.0, 3.0), (math.inf, 5.0))  # for runs made so many seconds ago at most: seconds between two looks
_MOST = 8  # sets of runs whose tables are kept
_T = TypeVar("_T")
TABLES = ("epochs", "megabatches", "prunes", "layers", "rounds")


@dataclass(frozen=True)
class Frames:
    """All recorded tables of some runs. Rows are only ever added, so their counts show whether there are new ones."""

    epochs: pd.DataFrame
    megabatches: pd.DataFrame
    prunes: pd.DataFrame
    layers: pd.DataFrame
    rounds: pd.DataFrame
    titles: tuple[str, ...]
    unreadable: tuple[Any, ...] = ()  # rows that were left out, see storage/rows.py
    figures: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # that pages drew of them last, see `live_chart.chart`
    played: Frames | None = field(default=None, repr=False, compare=False)  # everything, where these are its rows up to a moment
    at: int | None = None  # the moment that is shown; None where runs are not played
    edge: float | None = None  # where it lies on the x axis of the curves
    _known: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def whole(self) -> Frames:
        """All recorded tables, also while these are played up to a moment."""
        return self.played or self

    def until(self, known: Moments, at: int) -> Frames:
        """What there was at a moment of these runs; at the last one, everything."""
        there = replace(self, at=at, edge=float(known.places[at]))
        if at >= known.last:
            return there
        cut: dict[str, Any] = {name: known.until(at, name, getattr(self, name)) for name in TABLES}
        return replace(there, **cut, played=self, figures={}, _known={})

    def token(self, *names: str) -> tuple[tuple[str, ...] | int, ...]:
        """Changes when one of these tables has grown or a run was renamed, since figures show the names."""
        return self.titles, *(len(getattr(self, name)) for name in names)

    @property
    def news(self) -> str:
        """Changes when any of the tables has grown: what a page rings its charts for."""
        return str(self.token(*TABLES)[1:])

    def layers_of(self, run_ids: Sequence[str]) -> pd.DataFrame:
        """The rows of layers of some of these runs."""
        return self.once(("layers", tuple(run_ids)), lambda: self.layers[self.layers["run_id"].isin(run_ids)])

    def once(self, key: Hashable, compute: Callable[[], _T]) -> _T:
        """The result of `compute` for these tables, computed once for each key."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


@dataclass(frozen=True)
class _Kept:
    token: tuple
    statuses: tuple
    frames: Frames
    read: float  # when
    spent: float  # processor seconds spent on drawing by then
    trained: int  # images that all runs together had trained on


_kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
_lock, _reading = threading.Lock(), Locks()


def read(runs: Sequence[Mapping[str, Any]]) -> Frames:
    """The tables of these runs; read again only when a run has new events and the last ones were not drawn just now.

    The more time drawing takes, the longer pages wait for more; the first layers and the end of a run are shown at once.
    """
    run_ids, store = [run["run_id"] for run in runs], page.store()
    token = tuple((run["status"], run["cursor"], _place(run)) for run in runs)
    statuses, titles = tuple(run["status"] for run in runs), tuple(run["title"] for run in runs)
    which = (store.url, *run_ids)
    with _reading.of(which):
        with _lock:
            kept = _kept.get(which)
        if kept is None or (kept.statuses, kept.frames.titles) != (statuses, titles) or (kept.token != token and not _may_wait(kept, runs)):
            found = (
                *(store.epochs(run_ids), store.megabatches(run_ids), store.prunes(run_ids), store.layers(run_ids)),
                _rounds(store, runs),
            )
            frames = Frames(*found, titles, tuple(one for frame in found for one in frame.attrs.get("unreadable", ())))
            kept = _Kept(token, statuses, frames, time.monotonic(), page.spent(), _trained(runs))
        with _lock:
            _kept[which] = kept
            _kept.move_to_end(which)
            while len(_kept) > _MOST:
                _kept.popitem(last=False)
    return kept.frames


def _rounds(store: Any, runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Tests of rounds; other runs have none, and the store is not asked for them."""
    with_rounds = [run["run_id"] for run in runs if stages.of_run(run).are_rounds]
    return store.rounds(with_rounds) if with_rounds else pd.DataFrame(columns=["run_id"])


def pace(runs: Sequence[Mapping[str, Any]]) -> float:
    """Seconds between two looks of a page at runs that go on; at those that are no longer new it looks less often."""
    youngest = min((format.seconds_since(run["created"]) for run in runs if run_status.is_active(run)), default=math.inf)
    return next(pace for age, pace in _PACES if youngest <= age)


def _may_wait(kept: _Kept, runs: Sequence[Mapping[str, Any]]) -> bool:
    is_going_on = any(run_status.is_active(run) for run in runs)
    waited = time.monotonic() - kept.read
    is_dear = waited < (page.spent() - kept.spent) / _SHARE
    is_little = _trained(runs) < (1 + _GROWTH) * kept.trained
    return is_going_on and waited < _LONGEST_WAIT and (is_dear or is_little) and len(kept.frames.layers) > 0


def _place(run: Mapping[str, Any]) -> tuple[int, int]:
    progress = run["progress"] or {}
    return progress.get("megabatch", -1), progress.get("epoch", -1)


def _trained(runs: Sequence[Mapping[str, Any]]) -> int:
    return sum((run["progress"] or {}).get("samples_seen") or 0 for run in runs)
