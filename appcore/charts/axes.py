"""The x axis of curves (megabatches, epochs, steps, samples, time or FLOPs), smoothing, and the mark of the chosen megabatch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore.config import build
from appcore.planning.plan import plan

from . import style

Runs = Sequence[Mapping[str, Any]]
AXES = {  # name: (title, unit in the hover)
    "megabatches": ("megabatch", "epoch"),
    "epochs": ("epochs so far", "epoch"),
    "steps": ("training steps (images / batch size)", "step"),
    "images": ("training images seen", "images"),
    "time": ("time spent, s", "s"),
    "FLOPs": ("training FLOPs of the dense network, T", "TFLOP"),
}


@dataclass(frozen=True)
class View:
    """How curves are shown: their x axis, smoothing (0 none, towards 1 more), a logarithmic loss, and a megabatch (from 0) to mark."""

    x: str = "megabatches"
    smoothing: float = 0.0
    logarithmic: bool = False
    moment: int | None = None


class TimeAxis:
    """Positions on the x axis for some runs. `epochs` holds the rows of all of them."""

    def __init__(self, view: View, runs: Runs, epochs: pd.DataFrame):
        self._view, self._runs = view, runs
        rows = {run["run_id"]: epochs[epochs["run_id"] == run["run_id"]] for run in runs}
        self._places = {run["run_id"]: self._of_epochs(run, rows[run["run_id"]]) for run in runs}
        self._megabatch = {run_id: mine["megabatch"].to_numpy() for run_id, mine in rows.items()}

    def epochs(self, run: Mapping[str, Any]) -> np.ndarray:
        """Where each epoch of a run ends."""
        return self._places[run["run_id"]]

    def ends(self, run: Mapping[str, Any], megabatches: Sequence[int]) -> np.ndarray:
        """Where these megabatches (from 0) end; nan for one whose epochs are missing."""
        if self._view.x == "megabatches":
            return (np.asarray(megabatches, dtype=float) + 1) * self._length()
        places, of = self._places[run["run_id"]], self._megabatch[run["run_id"]]
        return np.array([places[of == t][-1] if (of == t).any() else np.nan for t in megabatches], dtype=float)

    def settings(self) -> dict[str, Any]:
        """The settings of this axis for plotly."""
        title, unit = AXES[self._view.x]
        if self._view.x != "megabatches":
            return {"title": {"text": title}, "rangemode": "tozero", "unifiedhovertitle": {"text": f"%{{x:,.4~g}} {unit}"}}
        count = max((len(epochs_planned(run)) for run in self._runs), default=1)
        length, every = self._length(), max(1, int(np.ceil(count / 20)))
        shown = np.arange(0, count, every)
        return {
            "title": {"text": f"megabatch (each of {length} epochs)" if length > 1 else "megabatch"},
            "range": [0, count * length],
            "tickvals": (shown + 0.5) * length,
            "ticktext": [str(t + 1) for t in shown],
            "ticks": "",
            "showgrid": False,
            "minor": {"showgrid": True, "tick0": 0, "dtick": every * length},
            "unifiedhovertitle": {"text": "epoch %{x:.0f}"},
            "hoverformat": ".0f",
        }

    def mark(self, figure: go.Figure) -> None:
        """Draw the band of the chosen megabatch."""
        if self._view.moment is not None and self._runs:
            span = self._span(self._view.moment)
            if np.isfinite(span).all():
                figure.add_vrect(*span, fillcolor=style.GREY, opacity=0.16, line_width=0, layer="below")

    def _span(self, moment: int) -> tuple[float, float]:
        """The interval of a megabatch on the axis, for the first run."""
        run = self._runs[0]
        begin = float(self.ends(run, [moment - 1])[0]) if moment else 0.0
        return begin, float(self.ends(run, [moment])[0])

    def _length(self) -> int:
        """Epochs per megabatch on the axis; megabatches with fewer are stretched, so that those of several runs align."""
        return max((max(epochs_planned(run)) for run in self._runs), default=1)

    def _of_epochs(self, run: Mapping[str, Any], rows: pd.DataFrame) -> np.ndarray:
        """Counted by place in the megabatch: methods with several rounds repeat an epoch number."""
        name = self._view.x
        if name == "megabatches":
            megabatch = rows["megabatch"].to_numpy()
            planned = np.asarray(epochs_planned(run), dtype=float)[megabatch]
            return self._length() * (megabatch + (rows.groupby("megabatch").cumcount().to_numpy() + 1) / planned)
        if name == "epochs":
            return np.arange(1.0, len(rows) + 1)
        if name == "time":
            return rows["seconds"].to_numpy(dtype=float).cumsum()
        samples = rows["samples_seen"].to_numpy(dtype=float)
        if name == "FLOPs":
            return samples * float((run.get("started") or {}).get("training_flops") or np.nan) / 1e12
        return samples / run["config"]["batch_size"] if name == "steps" else samples


def smoothed(values: np.ndarray, smoothing: float) -> np.ndarray:
    """Exponential moving average without bias towards its start: each value weighs `smoothing` times the next one."""
    if smoothing <= 0 or not len(values):
        return values
    result, total, weight = np.empty(len(values)), 0.0, 0.0
    for index, value in enumerate(values):
        if np.isfinite(value):
            total, weight = smoothing * total + value, smoothing * weight + 1
        result[index] = total / weight if weight else np.nan
    return result


def epochs_planned(run: Mapping[str, Any]) -> tuple[int, ...]:
    """Epochs of each megabatch, summed over rounds."""
    return _planned(json.dumps(run["config"], sort_keys=True))


@lru_cache(maxsize=64)
def _planned(config: str) -> tuple[int, ...]:
    settings = build(json.loads(config))
    counts = [0] * settings.megabatches
    for segment in plan(settings):
        counts[segment.megabatch] += segment.kind == "epoch"
    return tuple(counts)
