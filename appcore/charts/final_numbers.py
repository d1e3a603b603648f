"""The last numbers of runs: one row for each run, or one for each experiment with its spread over seeds and the best marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from appcore.analysis.repeats import Repeats, best
from appcore.analysis.samples import Sample

from .run_styles import labels

Runs = Sequence[Mapping[str, Any]]
BEST = "★"


@dataclass(frozen=True)
class Column:
    """A number of the table: what it is called, how it is written, and whether higher (1), lower (-1) or neither (0) is better."""

    label: str
    better: int
    digits: int
    unit: str = ""


COLUMNS = {
    "test_accuracy": Column("Test accuracy", 1, 1, " %"),
    "gap": Column("Gap, points", -1, 1),
    "cer": Column("CER, errors", -1, 0),
    "sparsity": Column("Sparsity", 0, 2, " %"),
    "alive": Column("Alive", 0, 2, " %"),
    "size": Column("Size, MB", -1, 2),
    "flops": Column("Dense FLOPs, T", -1, 2),
    "flops_share": Column("Sparse FLOPs", -1, 0, " %"),
    "seconds": Column("Time, s", -1, 1),
}


def final_table(runs: Runs, megabatches: pd.DataFrame) -> pd.DataFrame:
    """The last numbers of each run, one row per run, fractions as percent; None where a run has not got there."""
    rows, names = [], labels(runs)
    for run in runs:
        mine = megabatches[megabatches["run_id"] == run["run_id"]].sort_values("megabatch")
        last = mine.iloc[-1] if len(mine) else None
        totals = run.get("totals") or {}
        dense, sparse = totals.get("train_flops_dense"), totals.get("train_flops_sparse")
        rows.append(
            {
                "run": names[run["run_id"]],
                "megabatches": f"{len(mine)} of {run['config']['megabatches']}",
                "test_accuracy": _percent(last, "test_accuracy"),
                "gap": _percent(last, "generalization_gap"),
                "cer": None if last is None else int(last["cer"]),
                "sparsity": None if last is None else 100 * (1 - float(last["density_mask"])),
                "alive": _percent(last, "density_alive"),
                "size": None if last is None else _megabytes(run, float(last["density_mask"])),
                "flops": None if dense is None else dense / 1e12,
                "flops_share": None if not dense or sparse is None else 100 * sparse / dense,
                "seconds": totals.get("seconds"),
                "images_per_second": totals.get("images_per_second"),
                "memory": None if not totals.get("peak_memory_bytes") else totals["peak_memory_bytes"] / 2**20,
            }
        )
    return pd.DataFrame(rows)


def _percent(row: pd.Series | None, column: str) -> float | None:
    return None if row is None else 100 * float(row[column])


def _megabytes(run: Mapping[str, Any], density: float) -> float | None:
    """The model with its zeros left out, as on the page What if: 4 bytes for each kept weight, one bit for each prunable one."""
    started = run.get("started") or {}
    if not started.get("parameters"):
        return None
    prunable = sum(layer["total"] for layer in started["layers"])
    return (4 * (started["parameters"] - prunable * (1 - density)) + prunable / 8) / 1e6


def summary_table(groups: Sequence[Repeats], megabatches: pd.DataFrame) -> pd.DataFrame:
    """Text: mean ± standard deviation over the seeds of each experiment; BEST beside a number that is best beyond the spread.

    Only runs that are done count. The columns are the labels of COLUMNS.
    """
    names = labels([group.first for group in groups])
    ends = [_ends(group, megabatches) for group in groups]
    table: dict[str, list[str]] = {
        "Experiment": [names[group.first["run_id"]] for group in groups],
        "Seeds done": [f"{len(values)} of {len(group.runs)}" for values, group in zip(ends, groups)],
    }
    for column, about in COLUMNS.items():
        by_seed = [{seed: row[column] for seed, row in values.items() if not _is_missing(row[column])} for values in ends]
        winner = best(by_seed, about.better) if about.better else None
        table[about.label] = [_told(values, about, place == winner) for place, values in enumerate(by_seed)]
    return pd.DataFrame(table)


def _ends(group: Repeats, megabatches: pd.DataFrame) -> dict[int, dict[str, Any]]:
    done = [seed for seed in group.seeds if group.runs[seed]["status"] == "done"]
    rows = final_table([group.runs[seed] for seed in done], megabatches).to_dict("records")
    return dict(zip(done, rows))


def _is_missing(value: Any) -> bool:
    return value is None or math.isnan(value)


def _told(values: Mapping[int, float], about: Column, is_best: bool) -> str:
    if not values:
        return "–"
    sample = Sample.of(values.values())
    text = sample.text(about.digits, scale=1) if sample.sd else f"{sample.mean:.{about.digits}f}"  # "± 0" where all agree says nothing
    return text + about.unit + (f" {BEST}" if is_best else "")
