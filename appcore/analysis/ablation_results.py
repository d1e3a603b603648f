"""Results of an ablation: one row per run, means with spread and interval over seeds, and the winners if there are any. Pure tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..planning.ablation_grid import value_text
from . import measures, repeats
from .samples import Sample

ANY = "any"  # shown for a setting that has no effect
SEED = "seed"


METRICS = {  # metrics that an ablation can be viewed by
    name: measures.MEASURES[name]
    for name in (
        "test_accuracy",
        "generalization_gap",
        "clean_gap",
        "cer",
        "val_accuracy",
        "sparsity",
        "density_alive",
        "train_flops_sparse",
        "total_flops_sparse",
        "cumulative_parameters",
        "seconds",
    )
}


def rows(cells: Sequence[Mapping[str, Any]], newest: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: its values as text (ANY where one has no effect), state, and the final numbers of a finished run.

    `newest` is the last megabatch of each run. A cell without a run has the state missing.
    """
    ends = {row["run_id"]: row for row in newest.to_dict("records")}
    found = []
    for cell in cells:
        run = cell["run"]
        row: dict[str, Any] = {name: ANY if value is None else value_text(value) for name, value in cell["values"].items()}
        row |= {"run_id": run["run_id"] if run else "", "state": run["status"] if run else "missing", "error": (run and run["error"]) or ""}
        end = ends.get(row["run_id"])
        row |= _numbers(run, end) if end is not None and row["state"] == "done" else dict.fromkeys(METRICS, math.nan)
        found.append(row)
    return pd.DataFrame(found)


def _numbers(run: Mapping[str, Any], end: Mapping[str, Any]) -> dict[str, float]:
    values = measures.newest(run, end)
    return {name: about.shown(values[name]) for name, about in METRICS.items()}


def best_of_columns(frame: pd.DataFrame, down: str, across: str, order: Mapping[str, Sequence[str]], metric: str) -> set[tuple[str, str]]:
    """(row, column) of each winner: the row that is ahead of every other one in its column, with 95 % confidence.

    Differences are taken seed by seed, and so for every other setting that is averaged over. A row whose column has no effect (ANY)
    stands in all columns.
    """
    better, done = METRICS[metric].better, frame.dropna(subset=[metric])
    found: set[tuple[str, str]] = set()
    for column in order[across] if better else ():
        part = done[done[across].isin([column, ANY])]
        ends = {row: dict(zip(_partners(mine, down, across), mine[metric])) for row, mine in part.groupby(down, sort=False)}
        winner = repeats.best(list(ends.values()), better)
        if winner is not None:
            found.add((list(ends)[winner], column))
    return found


def _partners(frame: pd.DataFrame, *shown: str) -> list[tuple]:
    """What runs of one column must share to be compared: the values of all settings but those shown."""
    others = [name for name in frame.columns[: frame.columns.get_loc("run_id")] if name not in shown]
    return list(frame[others].itertuples(index=False, name=None))


def summary(frame: pd.DataFrame, axes: Sequence[str], metric: str) -> pd.DataFrame:
    """One row per combination of `axes` (all others, usually the seed, are averaged over): n, mean, sd, low, high, failed.

    low and high bound the mean with 95 % confidence; they are missing where there are fewer than two runs.
    """
    found = []
    groups = frame.groupby(list(axes), sort=False) if axes else [((), frame)]
    for place, part in groups:
        values = part[metric].dropna()
        row = dict(zip(axes, place))
        row |= {"n": len(values), "runs": len(part), "failed": int((part["state"] == "failed").sum()), "mean": values.mean()}
        row |= {"sd": values.std(), **dict(zip(("low", "high"), interval(values.to_numpy(dtype=float), *METRICS[metric].limits)))}
        found.append(row)
    return pd.DataFrame(found)


def interval(values: np.ndarray, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
    """Bounds of the mean with 95 % confidence (Student's t, cut to what is possible); (nan, nan) for fewer than two values."""
    return Sample.of(values).interval(least, most) if len(values) > 1 else (math.nan, math.nan)


def grid(table: pd.DataFrame, down: str, across: str, order: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """A summary over two axes as a grid: numbers for every place of rows x columns; a setting without effect fills its line."""
    found = []
    for index, row in table.iterrows():
        for r in [row[down]] if row[down] != ANY else order[down]:
            for c in [row[across]] if row[across] != ANY else order[across]:
                found.append({"row": r, "column": c, "idle": ANY in (row[down], row[across]), "source": index, **row.to_dict()})
    return pd.DataFrame(found)


def within(frame: pd.DataFrame, ranges: Mapping[str, Any], order: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The rows inside the ranges selected on parallel coordinates: {column: [low, high] or [[low, high], ...]}."""
    keep = pd.Series(True, index=frame.index)
    for name, spans in ranges.items():
        if not spans or name not in frame:
            continue
        spans = spans if isinstance(spans[0], (list, tuple)) else [spans]
        values = positions(frame, name, order) if name in order else frame[name]
        keep &= pd.concat([values.between(low, high) for low, high in spans], axis=1).any(axis=1)
    return frame[keep]


def positions(frame: pd.DataFrame, name: str, order: Mapping[str, Sequence[str]]) -> pd.Series:
    """Numbers for the values of an axis, in their order; one more for `any`."""
    places = {value: place for place, value in enumerate(order[name])}
    return frame[name].map(lambda value: places.get(value, len(places))).astype(float)


def as_text(row: Mapping[str, Any], metric: str) -> str:
    """mean +- standard deviation (n) as text: 93.1 ± 0.4 % (n = 3)."""
    about = METRICS[metric]
    if not row["n"]:
        return "–"
    spread = f" ± {row['sd']:.{max(about.digits, 1)}f}" if row["n"] > 1 else ""
    return f"{row['mean']:.{about.digits}f}{spread} {about.unit} (n = {row['n']})"
