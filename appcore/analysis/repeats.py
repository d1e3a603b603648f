"""Repeats: runs that differ only in their seed, evaluated together. Pure tables; curves are means with the range over seeds, and
differences are paired by seed, so that what two runs with one seed have in common cancels out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .samples import Sample

Run = Mapping[str, Any]
_ASIDE = ("seed", "device")  # settings that may differ between repeats


@dataclass(frozen=True)
class Repeats:
    """One experiment: its runs by seed; of two runs with the same seed, the first."""

    runs: Mapping[int, Run]

    @property
    def first(self) -> Run:
        """The run that represents all of them: the one with the lowest seed."""
        return self.runs[min(self.runs)]

    @property
    def seeds(self) -> list[int]:
        return sorted(self.runs)


def experiment(run: Run) -> str:
    """A key that runs share which differ only in their seed."""
    return json.dumps({name: value for name, value in run["config"].items() if name not in _ASIDE}, sort_keys=True)


def grouped(runs: Sequence[Run]) -> list[Repeats]:
    """The experiments among the runs, in the order in which they first occur."""
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        found.setdefault(experiment(run), {}).setdefault(int(run["config"]["seed"]), run)
    return [Repeats(by_seed) for by_seed in found.values()]


def by_seed(group: Repeats, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Values of a column, one row for each place in the course of the run (0, 1, ...), one column for each seed; NaN where a
    run has not got so far.

    `frame` has one row for each epoch or megabatch of each run, in order.
    """
    columns = {}
    for seed in group.seeds:
        mine = frame[frame["run_id"] == group.runs[seed]["run_id"]]
        columns[seed] = mine[column].reset_index(drop=True)
    return pd.DataFrame(columns, dtype=float)


def band(values: pd.DataFrame) -> pd.DataFrame:
    """mean, low, high, n of each row over the seeds that have got so far; low and high are the extremes."""
    return pd.DataFrame(
        {"mean": values.mean(axis=1), "low": values.min(axis=1), "high": values.max(axis=1), "n": values.notna().sum(axis=1)}
    )


def difference(one: pd.DataFrame, other: pd.DataFrame, limits: tuple[float, float] = (-math.inf, math.inf)) -> pd.DataFrame:
    """`one` minus `other` seed by seed: mean, low, high, n of each row over the seeds that both have.

    low and high bound the mean with 95 % confidence (Student's t over the differences, within `limits`); NaN for fewer than two seeds.
    Rows that no seed has on both sides are left out.
    """
    rows = []
    gaps = (one - other).dropna(axis=1, how="all")
    for place, row in gaps.iterrows():
        sample = Sample.of(row.dropna())
        if sample.values:
            low, high = sample.interval(*limits) if len(sample.values) > 1 else (math.nan, math.nan)
            rows.append({"place": place, "mean": sample.mean, "low": low, "high": high, "n": len(sample.values)})
    return pd.DataFrame(rows, columns=["place", "mean", "low", "high", "n"])


def best(ends: Sequence[Mapping[Any, float]], better: int) -> int | None:
    """Which experiment is significantly better than all others; None when there is no such one.

    `ends` has the last number of each experiment by seed; `better` is 1 (higher) or -1 (lower). The best must beat every other one in
    the differences seed by seed: their 95 % interval leaves 0 out, over two seeds at least that both have.
    """
    judged = {place: Sample.of(values.values()) for place, values in enumerate(ends) if values}
    if len(judged) < 2:
        return None
    winner = max(judged, key=lambda place: better * judged[place].mean)
    for place in judged.keys() - {winner}:
        common = sorted(ends[winner].keys() & ends[place].keys())
        lead = Sample.of(better * (ends[winner][seed] - ends[place][seed]) for seed in common)
        if len(common) < 2 or lead.interval()[0] <= 0:
            return None
    return winner
