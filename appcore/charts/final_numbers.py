"""Tables of final numbers: one row for each run, or for each experiment with its spread over seeds and the best marked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from appcore.analysis.measures import MEASURES, Measure, newest
from appcore.analysis.repeats import Repeats, best
from appcore.analysis.samples import Sample

from .run_styles import experiment_labels, labels

Runs = Sequence[Mapping[str, Any]]
BEST = "★"


# The numbers of the last megabatch and of the run, in the order of their columns.
COLUMNS = (
    "test_accuracy",
    "generalization_gap",
    "clean_gap",
    "cer",
    "sparsity",
    "density_alive",
    "size",
    "cumulative_parameters",
    "train_flops_dense",
    "flops_share",
    "total_flops_dense",
    "total_flops_sparse",
    "seconds",
    "images_per_second",
    "peak_memory_bytes",
)


def final_table(runs: Runs, megabatches: pd.DataFrame) -> pd.DataFrame:
    """The final numbers of each run in the units of their columns, one row per run; NaN where a run has not got so far."""
    rows, names = [], labels(runs)
    for run in runs:
        mine = megabatches[megabatches["run_id"] == run["run_id"]].sort_values("megabatch")
        values = newest(run, mine.iloc[-1].to_dict() if len(mine) else None)
        row = {"run": names[run["run_id"]], "megabatches": f"{len(mine)} of {run['config']['megabatches']}"}
        rows.append(row | {name: MEASURES[name].shown(values[name]) for name in COLUMNS})
    return pd.DataFrame(rows)


def summary_table(groups: Sequence[Repeats], megabatches: pd.DataFrame) -> pd.DataFrame:
    """Text: mean ± standard deviation over the seeds of each experiment; BEST beside a number that is significantly best.

    Only finished runs count.
    """
    names = experiment_labels(groups)
    ends = [_ends(group, megabatches) for group in groups]
    table: dict[str, list[str]] = {
        "Experiment": [names[group.first["run_id"]] for group in groups],
        "Seeds done": [f"{len(values)} of {len(group.runs)}" for values, group in zip(ends, groups)],
    }
    for name in COLUMNS:
        about = MEASURES[name]
        by_seed = [{seed: row[name] for seed, row in values.items() if not math.isnan(row[name])} for values in ends]
        winner = best(by_seed, about.better) if about.better else None
        table[about.head] = [mean_text(values.values(), about, place == winner) for place, values in enumerate(by_seed)]
    return pd.DataFrame(table)


def _ends(group: Repeats, megabatches: pd.DataFrame) -> dict[int, dict[str, Any]]:
    done = [seed for seed in group.seeds if group.runs[seed]["status"] == "done"]
    rows = final_table([group.runs[seed] for seed in done], megabatches).to_dict("records")
    return dict(zip(done, rows))


def mean_text(values: Collection[float], about: Measure, is_best: bool) -> str:
    """Mean ± standard deviation, with BEST behind it, as tables show it and a table for a paper reads it."""
    if not values:
        return "–"
    sample = Sample.of(values)
    spread = f" ± {sample.sd:,.{about.digits}f}" if sample.sd else ""  # "± 0" where all agree would be noise
    return f"{about.text(sample.mean)}{spread}{f' {BEST}' if is_best else ''}"
