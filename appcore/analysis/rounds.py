"""Rounds of a run: the test accuracy of each against the weights left, and the runs beside which a ticket is judged. Pure tables.

A ticket is judged beside two others of the same settings: its control, which trains the same masks from fresh initial values, and the dense
network. A dense run of the same seed shares initial weights, images and their order with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .. import plugins
from ..planning import stages

Run = Mapping[str, Any]
_OF_TESTS = ["segment", "megabatch", "density_mask", "test_accuracy"]
# Settings without effect on the training of a network that is never pruned, or that say only where it happens.
_NOT_OF_DENSE = (
    *("method", "pruner", "schedule", "tau", "scope", "densities", "granularity", "prunable", "exempt"),
    *("score_fraction", "score_batch_size", "semantics", "options"),
    "device",
)
_FRESH = {"control": "reinit"}  # the option of a method by which a ticket becomes its control


def tests(run: Run, rounds: pd.DataFrame, megabatches: pd.DataFrame) -> pd.DataFrame:
    """A row for each tested round of a run, of a stream the last of its tests: round, density, test_accuracy, and whether the round
    began from fresh initial values."""
    known = stages.of_run(run)
    frames = [frame[frame["run_id"] == run["run_id"]][_OF_TESTS] for frame in (rounds, megabatches) if len(frame)]
    rows = pd.concat(frames).sort_values("segment") if frames else pd.DataFrame(columns=_OF_TESTS)
    at = known.of(rows)
    found = pd.DataFrame(
        {
            "round": [known.places[place][1] for place in at],
            "density": rows["density_mask"].to_numpy(dtype=float),
            "test_accuracy": rows["test_accuracy"].to_numpy(dtype=float),
            "is_fresh": np.array([int(place) in known.fresh for place in at], dtype=bool),
        }
    )
    return found.drop_duplicates("round", keep="last").reset_index(drop=True)


def unrecorded(run: Run, found: pd.DataFrame) -> list[int]:
    """The rounds before the last tested one that have no value, because a version recorded them that tested none."""
    last = int(found["round"].max()) if len(found) else 0
    return sorted({number for _, number in stages.of_run(run).places if number < last} - set(found["round"]))


@dataclass(frozen=True)
class Beside:
    """The runs of one question: tickets, their controls, and dense references of any seed."""

    tickets: list[Run]
    controls: list[Run]
    dense: list[Run]

    @property
    def all(self) -> list[Run]:
        """All of them, tickets first."""
        return [*self.tickets, *self.controls, *self.dense]


def sorted_out(runs: Iterable[Run]) -> Beside:
    """Which of these runs are tickets, controls and dense networks; others are left out."""
    found = Beside([], [], [])
    for run in runs:
        if stages.of_run(run).are_rounds:
            (found.controls if is_control(run) else found.tickets).append(run)
        elif not plugins.prunes(run["method"]):
            found.dense.append(run)
    return found


def is_control(run: Run) -> bool:
    """Whether the last ticket of a run is trained from fresh values."""
    return _FRESH.items() <= (run["config"].get("options") or {}).items()


def beside(run: Run, runs: Iterable[Run]) -> Beside:
    """The runs among `runs` beside which this one is judged, itself included: the ticket or the control of its seed, whichever it is not,
    and dense ones, one of each seed. Of several alike a finished one is taken, and the first of these."""
    ticket, dense = _ticket(run["config"]), _training(run["config"])
    fitting: list[Run] = [run]
    kinds: set[Any] = {is_control(run)}
    for other in sorted(runs, key=lambda other: other["status"] != "done"):
        config = other["config"]
        if other["run_id"] == run["run_id"] or other["status"] == "failed":
            continue
        kind: Any = None
        if other["method"] == run["method"] and _ticket(config) == ticket:
            kind = is_control(other)
        elif not plugins.prunes(other["method"]) and _training(config) == dense:
            kind = ("dense", config["seed"])
        if kind is not None and kind not in kinds:
            kinds.add(kind)
            fitting.append(other)
    return sorted_out(fitting)


def _ticket(config: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in (config.get("options") or {}).items() if name not in _FRESH}
    return {**{name: value for name, value in config.items() if name != "device"}, "options": options}


def _training(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the training of the dense network, but for the seed."""
    return {name: value for name, value in config.items() if name not in (*_NOT_OF_DENSE, "seed")}


def missing(run: Run, found: Beside, seeds: int = 1) -> list[dict[str, Any]]:
    """Settings of the runs that the question lacks: ticket and control where the method has one, and dense networks of so many seeds."""
    config, wanted = dict(run["config"]), []
    options = dict(config.get("options") or {})
    plain = {name: value for name, value in options.items() if name not in _FRESH}
    offers = "control" in plugins.find("methods", run["method"]).options
    wanted += [{**config, "options": plain}] if not found.tickets else []
    wanted += [{**config, "options": {**plain, **_FRESH}}] if offers and not found.controls else []
    known = {dense["config"]["seed"] for dense in found.dense}
    fresh = [seed for seed in range(config["seed"], config["seed"] + seeds + len(known)) if seed not in known]
    wanted += [{**config, "method": "dense", "options": {}, "seed": seed} for seed in fresh[: max(0, seeds - len(known))]]
    return wanted


def verdict(found: Beside, tables: Mapping[str, pd.DataFrame]) -> str:
    """The numbers of the sparsest ticket in a sentence; `tables` are the `tests` of the runs by id. Empty while there is none."""
    ticket = _last(found.tickets, tables)
    if ticket is None:
        return ""
    parts = [f"With {100 * ticket['density']:.1f} % of the weights the ticket classifies {_percent(ticket)} of the test images correctly"]
    dense = [last for run in found.dense if (last := _last([run], tables)) is not None]
    if dense:
        values = [row["test_accuracy"] for row in dense]
        low, high, mean = min(values), max(values), sum(values) / len(values)
        spread = f", {100 * low:.1f} to {100 * high:.1f} over {len(values)} seeds" if len(values) > 1 else ""
        away = 100 * (ticket["test_accuracy"] - mean)
        parts.append(f"the dense network {100 * mean:.1f} %{spread} ({away:+.1f} points for the ticket)")
    control = _last(found.controls, tables)
    if control is not None and control["is_fresh"]:
        parts.append(f"the same mask from fresh initial values {_percent(control)}")
    return "; ".join(parts) + "."


def _last(runs: Sequence[Run], tables: Mapping[str, pd.DataFrame]) -> Mapping[str, Any] | None:
    rows = [tables[run["run_id"]].iloc[-1] for run in runs if len(tables[run["run_id"]])]
    return min(rows, key=lambda row: row["density"]) if rows else None


def _percent(row: Mapping[str, Any]) -> str:
    return f"{100 * row['test_accuracy']:.1f} %"
