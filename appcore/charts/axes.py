"""The x axis of curves (stages, epochs, steps, samples, time or FLOPs), smoothing, and the marks of the chosen stage and of
curves that leave the frame.

Stages are megabatches, or rounds where a method trains a megabatch several times (planning/stages.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore.planning import stages

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
CLOCK = "clock"  # `layout.meta` of a figure over this axis: what comes later lies further right, so browsers can play it


@dataclass(frozen=True)
class View:
    """How curves are shown: their x axis, smoothing (0 none, towards 1 more), a logarithmic loss, and a stage (from 0) to mark."""

    x: str = "megabatches"
    smoothing: float = 0.0
    logarithmic: bool = False
    moment: int | None = None


class TimeAxis:
    """Positions on the x axis for some runs. `epochs` holds the rows of all of them."""

    def __init__(self, view: View, runs: Runs, epochs: pd.DataFrame):
        self._view, self._runs = view, runs
        self._stages = {run["run_id"]: stages.of_run(run) for run in runs}
        self._places = stages.shared(self._stages.values())
        rows = {run["run_id"]: epochs[epochs["run_id"] == run["run_id"]] for run in runs}
        self._slots = {run["run_id"]: self._slots_of(run, rows[run["run_id"]]) for run in runs}
        self._x = {run["run_id"]: self._of_epochs(run, rows[run["run_id"]]) for run in runs}

    def epochs(self, run: Mapping[str, Any]) -> np.ndarray:
        """Where each epoch of a run ends."""
        return self._x[run["run_id"]]

    def ends(self, run: Mapping[str, Any], rows: pd.DataFrame) -> np.ndarray:
        """Where the megabatches or rounds of these rows end; nan for one whose epochs are missing."""
        found = self._slots_of(run, rows)
        if self._view.x == "megabatches":
            return (found.astype(float) + 1) * self._length()
        return np.array([self._end(run, slot) for slot in found], dtype=float)

    def hover(self, run: Mapping[str, Any], count: int) -> tuple[np.ndarray, str]:
        """Stage and epoch in it of the first `count` epochs of a run, as two columns of customdata, and words that show them.

        On an axis of stages short runs are stretched, so its places tell no epoch.
        """
        of = self._slots[run["run_id"]][:count]
        number = pd.Series(of).groupby(of).cumcount().to_numpy() + 1
        return np.column_stack([of + self._first(), number]), self._words("%{customdata[0]}, epoch %{customdata[1]}")

    def hover_ends(self, run: Mapping[str, Any], rows: pd.DataFrame) -> tuple[np.ndarray, str]:
        """The same for the ends of the megabatches or rounds of these rows."""
        return self._slots_of(run, rows)[:, None] + [self._first(), 0], self._words("%{customdata[0]}", "after ")

    def _first(self) -> int:
        """The number of the first stage: rounds are counted from 0."""
        return int(self._named()[0] != "round")

    def _words(self, where: str, before: str = "") -> str:
        word, unit = self._named()[0], AXES[self._view.x][1]
        where = f"{before}{word if word in ('megabatch', 'round') else 'stage'} {where}"
        return where if self._view.x == "megabatches" else f"{where} · %{{x:,.4~g}} {unit}"

    def settings(self) -> dict[str, Any]:
        """The settings of this axis for plotly."""
        title, unit = AXES[self._view.x]
        if self._view.x != "megabatches":
            return {"title": {"text": title}, "rangemode": "tozero", "unifiedhovertitle": {"text": f"%{{x:,.4~g}} {unit}"}}
        word, labels = self._named()
        count = max(len(labels), 1)
        length, every = self._length(), max(1, int(np.ceil(count / 20)))
        shown = np.arange(0, count, every)
        return {
            "title": {"text": self._title(word)},
            "range": [0, count * length],
            "tickvals": (shown + 0.5) * length,
            "ticktext": labels[::every],
            "ticks": "",
            "showgrid": False,
            "minor": {"showgrid": True, "tick0": 0, "dtick": every * length},
            "unifiedhovertitle": {"text": "epoch %{x:.0f}"},
            "hoverformat": ".0f",
        }

    def _title(self, word: str) -> str:
        lengths = sorted({int(length) for run in self._runs for length in self._planned(run)})
        if len(lengths) > 1:
            return f"{word} (of {lengths[0]} to {lengths[-1]} epochs, drawn equally wide)"
        return f"{word} (each of {lengths[0]} epochs)" if lengths and lengths[0] > 1 else word

    def words(self, place: float, *, is_cut: bool = False) -> str:
        """A place on the axis in words; `is_cut`: with the prune point there, which opens what follows."""
        if not place and not is_cut:
            return "the start"
        where = self._in_stages(place, is_cut) if self._view.x == "megabatches" else _amount(place, AXES[self._view.x][1])
        return f"{where}, prune point" if is_cut else where

    def _in_stages(self, place: float, begins: bool) -> str:
        """The stage of a place and the epoch in it; where two stages meet, the one that ends, or the one that `begins`."""
        (word, labels), length = self._named(), self._length()
        slot, within = divmod(round(place, 6), length)
        if slot == len(labels) or (not within and not begins):
            slot, within = slot - 1, length
        where = f"{word} {labels[int(slot)]} of {labels[-1]}"
        return f"{where}, epoch {within:.3g} of {length}" if within else where

    def mark(self, figure: go.Figure) -> None:
        """Draw the band of the chosen stage."""
        if self._view.moment is not None and self._runs:
            span = self._span(self._view.moment)
            if np.isfinite(span).all():
                figure.add_vrect(*span, fillcolor=style.GREY, opacity=0.16, line_width=0, layer="below")

    def _span(self, moment: int) -> tuple[float, float]:
        """The interval of a stage on the axis, for the first run."""
        if self._view.x == "megabatches":
            return moment * self._length(), (moment + 1) * self._length()
        run = self._runs[0]
        return self._end(run, moment - 1) if moment else 0.0, self._end(run, moment)

    def _end(self, run: Mapping[str, Any], slot: int) -> float:
        """Where the last epoch of a slot ends; nan while there is none."""
        x = self._x[run["run_id"]][self._slots[run["run_id"]] == slot]
        return float(x[-1]) if len(x) else np.nan

    def _named(self) -> tuple[str, list[str]]:
        """The word for a slot, and the label of each: a stage, or a megabatch where these runs have stages of different kinds."""
        if self._places is not None:
            return stages.named(self._places)
        return stages.named([(t, 0) for t in range(max(int(run["config"]["megabatches"]) for run in self._runs))])

    def _slots_of(self, run: Mapping[str, Any], rows: pd.DataFrame) -> np.ndarray:
        """The slot of the axis that each row belongs to."""
        return rows["megabatch"].to_numpy(dtype=int) if self._places is None else self._stages[run["run_id"]].of(rows)

    def _planned(self, run: Mapping[str, Any]) -> np.ndarray:
        """Epochs in each slot of a run."""
        own = self._stages[run["run_id"]]
        if self._places is not None:
            return np.asarray(own.epochs, dtype=float)
        return np.bincount([megabatch for megabatch, _ in own.places], weights=own.epochs)

    def _length(self) -> int:
        """Epochs of a slot on the axis; slots with fewer are stretched, so that those of several runs align."""
        return max((int(max(self._planned(run))) for run in self._runs), default=1)

    def _of_epochs(self, run: Mapping[str, Any], rows: pd.DataFrame) -> np.ndarray:
        """Counted by place in the slot: methods with several rounds repeat an epoch number."""
        name = self._view.x
        if name == "megabatches":
            slots = self._slots[run["run_id"]]
            within = pd.Series(slots).groupby(slots).cumcount().to_numpy()
            return self._length() * (slots + (within + 1) / self._planned(run)[slots])
        if name == "epochs":
            return np.arange(1.0, len(rows) + 1)
        if name == "time":
            return rows["seconds"].to_numpy(dtype=float).cumsum()
        samples = rows["samples_seen"].to_numpy(dtype=float)
        if name == "FLOPs":
            return samples * float((run.get("started") or {}).get("training_flops") or np.nan) / 1e12
        return samples / run["config"]["batch_size"] if name == "steps" else samples


def _amount(place: float, unit: str) -> str:
    number = f"{place:,.0f}" if place >= 1000 or unit in ("epoch", "step") else f"{place:.3g}"
    return f"{unit} {number}" if unit in ("epoch", "step") else f"{number} {unit}"


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


def stage_axis(figure: go.Figure, labels: Sequence[str]) -> go.Figure:
    """Put the x axis of a figure over stages, which stand at 1, 2, ...; at most 20 of them are labelled."""
    count = max(len(labels), 1)
    every = max(1, -(-count // 20))
    ticks = {"tickvals": list(range(1, count + 1, every)), "ticktext": list(labels[::every])}
    return figure.update_xaxes(range=[0.5, count + 0.5], showgrid=False, **ticks)


def mark_beyond(figure: go.Figure, low: float, high: float) -> go.Figure:
    """Mark on the edge of the frame where a curve leaves it: the furthest point of each stretch, with its value."""
    found = False
    for line in [trace for trace in figure.data if trace.mode == "lines" and trace.hoverinfo != "skip"]:
        y = np.asarray(line.y, dtype=float)
        for symbol, edge, outside in (("triangle-up", high, y > high), ("triangle-down", low, y < low)):
            places = [stretch[np.abs(y[stretch] - edge).argmax()] for stretch in _stretches(outside)]
            if places:
                found = True
                figure.add_trace(
                    go.Scatter(
                        x=np.asarray(line.x)[places],
                        y=np.full(len(places), edge, dtype=np.float32),
                        name=f"{line.name}, beyond",
                        mode="markers",
                        marker={"symbol": symbol, "size": 9, "color": line.line.color, "line": {"width": 1, "color": "white"}},
                        cliponaxis=False,
                        showlegend=False,
                        customdata=y[places],
                        hovertemplate="%{customdata:.3~g}, beyond the frame",
                    )
                )
    if found:
        figure.layout.title.subtitle.text += " · ▲ goes on beyond the frame"
    return figure


def _stretches(outside: np.ndarray) -> list[np.ndarray]:
    """The places where it is True, as stretches without a break."""
    places = np.flatnonzero(outside)
    return [stretch for stretch in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(stretch)]
