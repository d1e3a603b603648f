"""The moments of some runs at which something was recorded, on the x axis of their curves: what playback goes through.

A moment is a place on the axis, with or without the prune point there: masks are cut between two epochs, after what the first one brought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .. import style
from ..axes import TimeAxis, View

Runs = Sequence[Mapping[str, Any]]
_SAME = 9  # digits to which places agree: equal ones of two runs are sums of other fractions


@dataclass(frozen=True)
class Moments:
    """Where each moment lies on the axis, what it is called, and the moment of each row of each table."""

    places: np.ndarray
    words: tuple[str, ...]
    of_rows: Mapping[str, np.ndarray]

    @property
    def last(self) -> int:
        """The moment at which everything is there. The first, 0, is the start, when nothing is."""
        return len(self.places) - 1

    @property
    def counts(self) -> list[int]:
        """The moments that bring more than an epoch: prune points, tests, the end."""
        return sorted({self.last, *(int(at) for table, found in self.of_rows.items() if table != "epochs" for at in found)})

    def until(self, at: int, table: str, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that were there at a moment."""
        return rows[self.of_rows[table] <= at]

    def with_all(self, table: str, rows: np.ndarray) -> int:
        """The first moment that has all of these rows (True in `rows`); the end where there are none."""
        return int(self.of_rows[table][rows].max(initial=-1)) if rows.any() else self.last


def moments(view: View, runs: Runs, tables: Mapping[str, pd.DataFrame], most: int = style.MAX_POINTS) -> Moments:
    """The moments of these runs on the axis of the view, at most so many, evenly spread. `tables` of the store by name, with epochs."""
    axis = TimeAxis(view, runs, tables["epochs"])
    keys = [_keys(axis, runs, rows, tables["epochs"], name) for name, rows in tables.items()]
    places = np.concatenate([[0.0], *(place for place, _ in keys)])
    last = float(np.nanmax(places)) or 1.0
    shares = np.round(np.nan_to_num(places / last, nan=1.0), _SAME)  # a place that is not known counts as the end
    cuts = np.concatenate([[False], *(is_cut for _, is_cut in keys)])
    known, of_rows = np.unique(np.column_stack([shares, cuts]), axis=0, return_inverse=True)
    of_rows = of_rows.ravel()
    if len(known) > most:
        kept = np.unique(np.linspace(0, len(known) - 1, most).astype(int))
        known, of_rows = known[kept], np.searchsorted(kept, of_rows)
    words = tuple(axis.words(last * share, is_cut=bool(is_cut)) for share, is_cut in known)
    found, begin = {}, 1
    for name, rows in tables.items():
        found[name] = of_rows[begin : begin + len(rows)]
        begin += len(rows)
    return Moments(last * known[:, 0], words, found)


def _keys(axis: TimeAxis, runs: Runs, rows: pd.DataFrame, epochs: pd.DataFrame, table: str) -> tuple[np.ndarray, np.ndarray]:
    """For each row the place of the newest epoch by then, and whether it was counted at a prune point, which comes after that."""
    places = np.zeros(len(rows))
    for run in runs if len(rows) else ():
        mine = (rows["run_id"] == run["run_id"]).to_numpy(dtype=bool)
        ends = epochs.loc[epochs["run_id"] == run["run_id"], "segment"].to_numpy(dtype=int)
        before = np.searchsorted(ends, rows.loc[mine, "segment"].to_numpy(dtype=int), side="right")
        places[mine] = np.append(0.0, axis.epochs(run))[before]
    is_cut = rows["point"].to_numpy() == "prune" if table == "layers" else np.full(len(rows), table == "prunes")
    return places, is_cut
