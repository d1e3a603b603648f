"""What `python -m appcore sweep` answers: every run with its numbers, and a row for each combination, averaged over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ..analysis import pairing
from ..analysis.ablation_results import METRICS, summary
from ..analysis.ablation_results import rows as rows_of
from ..names import counted
from ..planning import ablation_grid, sparsity
from ..statuses import BROKEN
from .sweep_request import METRIC, Request
from .terminal import one_line

_SHOWN = ("val_accuracy", "test_accuracy", "generalization_gap", "cer", "sparsity", "seconds")  # columns of the table
_MOST_ERRORS = 10


def _rows(manager: Any, board: Mapping[str, Any]) -> Any:
    """One row per run, in the order of the cells."""
    run_ids = [cell["run"]["run_id"] for cell in board["cells"] if cell["run"]]
    return rows_of(board["cells"], manager.store.megabatches(run_ids, newest=True))


def scores(manager: Any, board: Mapping[str, Any], wanted: Request, picks: Sequence[list[int]]) -> list[float]:
    """The mean of the metric over the seeds of each combination; NaN where one of its runs is not done."""
    values = dict(zip((cell["fingerprint"] for cell in board["cells"]), _rows(manager, board)[wanted.metric]))
    return [fmean(values.get(fingerprint, float("nan")) for fingerprint in wanted.fingerprints(pick)) for pick in picks]


def document(manager: Any, board: Mapping[str, Any], wanted: Request) -> dict[str, Any]:
    """The object that `sweep --json` prints: every run with its last numbers, and a row for each combination, averaged over the seeds."""
    sweep, cells, frame = board["sweep"], board["cells"], _rows(manager, board)
    axes = wanted.shown
    runs = []
    for cell, row in zip(cells, frame.to_dict("records"), strict=True):
        numbers = {name: row[name] / about.factor for name, about in METRICS.items()}
        runs.append(
            {"values": cell["values"], "run_id": row["run_id"] or None, "status": row["state"], "error": row["error"] or None, **numbers}
        )
    table = []
    parts = {name: summary(frame, axes, name).to_dict("records") for name in METRICS}
    texts = {name: {ablation_grid.value_text(value): value for value in sweep["axes"].get(name, ())} for name in axes}
    for place, first in enumerate(parts[METRIC]):
        row = {"values": {name: texts[name].get(first[name]) for name in axes}}
        row |= {"runs": first["runs"], "done": first["n"], "failed": first["failed"]}
        for name, about in METRICS.items():
            row[name] = {which: parts[name][place][which] / about.factor for which in ("mean", "sd", "low", "high")}
        table.append(row)
    if wanted.metric:
        _rank(table, wanted)
    statuses = {run["status"] for run in runs}
    status = "done" if statuses == {"done"} else "failed" if statuses & {*BROKEN} else "stopped"
    found = {
        "sweep_id": sweep["sweep_id"],
        "title": sweep["title"],
        "status": status,
        "axes": sweep["axes"],
        "metric": wanted.metric or None,
    }
    return found | {"runs": runs, "table": table, "left_out": board["left_out"], "notes": _notes(manager, cells)}


def _notes(manager: Any, cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why numbers may not be what the settings say."""
    runs = [cell["run"] for cell in cells if cell["run"]]
    if pairing.mixes_data(runs):
        return ["The images or labels were changed between these runs, so differences may come from that; delete the older ones."]
    changed = len(manager.ablations.of_other_data(cells))
    return [f"The images or labels were changed after {counted(changed, 'run')} of these; delete them to train anew."] if changed else []


def _rank(table: list[dict[str, Any]], wanted: Request) -> None:
    """Sort the rows of a search: the last rung first, within it the best first; what is not done comes last."""
    axes = wanted.shown

    def key(row: Mapping[str, Any]) -> tuple[float, bool, float]:
        rung = -row["values"][axes[-1]] if wanted.halving else 0.0
        mean = row[wanted.metric]["mean"]
        is_unknown = row["done"] < row["runs"] or mean != mean
        return rung, is_unknown, 0.0 if is_unknown else -METRICS[wanted.metric].better * mean

    table.sort(key=key)


def text(document: Mapping[str, Any], wanted: Request) -> str:
    """The object as text."""
    axes, of_weights = wanted.shown, ablation_grid.counts_weights(wanted.base, wanted.axes)
    shown = [*([wanted.metric] if wanted.metric and wanted.metric not in _SHOWN else []), *_SHOWN]
    heads = [*("sparsity asked" if name == "tau" and of_weights else name.removeprefix(ablation_grid.OPTION) for name in axes), "done"]
    heads += [METRICS[name].head for name in shown]
    lines = [heads]
    for row in document["table"]:
        words = [_value_words(name, row["values"][name], of_weights) for name in axes]
        lines.append([*words, f"{row['done']}/{row['runs']}", *(_mean_words(METRICS[name], row[name], row["done"]) for name in shown)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    rows = ["  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines]
    errors = [f"{one_line(wanted.label(run['values']))}: {one_line(run['error'])}" for run in document["runs"] if run["error"]]
    done = sum(run["status"] == "done" for run in document["runs"])
    last = f"ablation {document['sweep_id']}: {done} of {counted(len(document['runs']), 'run')} done"
    return "\n".join([*rows, *errors[:_MOST_ERRORS], *(f"note: {note}" for note in document["notes"]), last])


def _value_words(name: str, value: Any, of_weights: bool) -> str:
    if value is None:
        return "any"
    return sparsity.text(sparsity.of_tau(value)) if name == "tau" and of_weights else one_line(ablation_grid.value_text(value))


def _mean_words(about: Any, part: Mapping[str, float], done: int) -> str:
    """mean ± standard deviation over the seeds."""
    if not done:
        return "-"
    spread = f" ± {about.factor * part['sd']:.{max(about.digits, 1)}f}" if done > 1 else ""
    return f"{about.text(about.factor * part['mean'])}{spread}"
