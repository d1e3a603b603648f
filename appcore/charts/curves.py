"""Figures over the course of training: accuracy, loss, generalization gap and cumulative errors, of one run or of several."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore.config import RunConfig
from appcore.plan import plan

from . import style
from .looks import Look, looks

Runs = Sequence[Mapping[str, Any]]


def accuracy(runs: Runs, epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Train, validation and test accuracy of one run; validation and test accuracy of several."""
    alone = len(runs) == 1
    subtitle = (
        "dotted: train · line: validation · marks: test"
        if alone
        else "lines: validation after each epoch · marks: test after each megabatch"
    )
    figure = _over_time("How accurate is it?", subtitle, "accuracy, %", runs, revision)
    lows = []
    for run, look in _looked(runs):
        mine, tests = _of(epochs, run), _of(megabatches, run)
        if alone:
            _line(figure, runs, run, mine, 100 * mine["train_accuracy"], "train", style.GREY, "dot", unit=" %")
        _line(figure, runs, run, mine, 100 * mine["val_accuracy"], "validation" if alone else look.label, look.colour, look.dash, unit=" %")
        _marks(
            figure,
            runs,
            run,
            tests,
            100 * tests["test_accuracy"],
            "test" if alone else f"{look.label}, test",
            look,
            unit=" %",
            listed=alone,
        )
        lows += [100 * mine[c].min() for c in (("train_accuracy", "val_accuracy") if alone else ("val_accuracy",)) if len(mine)]
    low = min(lows, default=0.0)
    figure.update_yaxes(range=[max(0.0, 10 * np.floor(low / 10) - 2), 101.5], ticksuffix=" %")
    return figure


def loss(runs: Runs, epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Cross-entropy of train and validation of one run; of validation of several."""
    alone = len(runs) == 1
    subtitle = (
        "cross-entropy · dotted: train · line: validation" + (" · marks: test" if alone else "") if alone else "validation cross-entropy"
    )
    figure = _over_time("Is it still learning?", subtitle, "loss, nats per image", runs, revision)
    highs = []
    for run, look in _looked(runs):
        mine, tests = _of(epochs, run), _of(megabatches, run)
        if alone:
            _line(figure, runs, run, mine, mine["train_loss"], "train", style.GREY, "dot")
            _marks(figure, runs, run, tests, tests["test_loss"], "test", look, digits=3)
        _line(figure, runs, run, mine, mine["val_loss"], "validation" if alone else look.label, look.colour, look.dash)
        highs += list(mine[["train_loss", "val_loss"] if alone else ["val_loss"]].quantile(0.98))
    high = max([value for value in highs if np.isfinite(value)], default=1.0)
    figure.update_yaxes(range=[0, 0.5 * np.ceil(max(high, 0.5) * 1.06 / 0.5)])
    return figure


def gap(runs: Runs, epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Train minus validation accuracy in percentage points at each epoch, and of the weights carried on at each megabatch's end."""
    alone = len(runs) == 1
    marks = " · marks: the weights carried on" if alone else ""
    figure = _over_time("Does it overfit?", f"train minus validation accuracy{marks}", "generalization gap, points", runs, revision)
    values = []
    for run, look in _looked(runs):
        mine, ends = _of(epochs, run), _of(megabatches, run)
        points = 100 * (mine["train_accuracy"] - mine["val_accuracy"])
        values.append(points)
        _line(figure, runs, run, mine, points, "every epoch" if alone else look.label, look.colour, look.dash, unit=" points")
        name = "carried on" if alone else f"{look.label}, carried on"
        _marks(figure, runs, run, ends, 100 * ends["generalization_gap"], name, look, unit=" points", listed=alone)
    everything = pd.concat(values) if values else pd.Series(dtype=float)
    low, high = (everything.quantile(0.01), everything.quantile(0.99)) if len(everything) else (-5.0, 5.0)
    figure.add_hline(y=0, line={"width": 1.5, "color": style.GREY})
    figure.update_yaxes(range=[5 * np.floor(min(low, 0) / 5) - 1, 5 * np.ceil(max(high, 4) / 5) + 1])
    return figure


def errors(runs: Runs, epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Cumulative error rate: test images misclassified so far, summed over megabatches."""
    figure = _over_time(
        "How many errors so far?", "CER: wrong test images, added up · lower is better", "cumulative test errors, images", runs, revision
    )
    highest = 0.0
    for run, look in _looked(runs):
        ends = _of(megabatches, run)
        x = np.append(0.0, _end_of_megabatch(runs, run, ends))
        y = np.append(0, ends["cer"].to_numpy())
        highest = max(highest, float(y.max()))
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                name=look.label if len(runs) > 1 else "errors",
                mode="lines+markers",
                line={"color": look.colour, "dash": look.dash, "width": 2.5},
                marker={"symbol": look.symbol, "size": 8},
                customdata=np.append(0, ends["test_errors"].to_numpy()),
                hovertemplate="%{y:,} errors (%{customdata:,} in this megabatch)",
            )
        )
    figure.update_yaxes(range=[0, max(10.0, 1.12 * highest)])
    return figure.update_layout(showlegend=len(runs) > 1)


def _looked(runs: Runs) -> list[tuple[Mapping[str, Any], Look]]:
    found = looks(runs)
    return [(run, found[run["run_id"]]) for run in runs]


def _of(frame: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    return frame[frame["run_id"] == run["run_id"]]


def _epochs_planned(run: Mapping[str, Any]) -> tuple[int, ...]:
    """Epochs of each megabatch, those of all rounds together."""
    return _planned(json.dumps(run["config"], sort_keys=True))


@lru_cache(maxsize=64)
def _planned(config: str) -> tuple[int, ...]:
    settings = RunConfig(**json.loads(config))
    counts = [0] * settings.megabatches
    for segment in plan(settings):
        counts[segment.megabatch] += segment.kind == "epoch"
    return tuple(counts)


def _epochs_shown(runs: Runs) -> int:
    """Epochs per megabatch on the axis; megabatches with fewer are stretched, so that those of several runs lie upon each other."""
    return max((max(_epochs_planned(run)) for run in runs), default=1)


def _over_time(title: str, subtitle: str, y: str, runs: Runs, revision: str) -> go.Figure:
    count, length = max((len(_epochs_planned(run)) for run in runs), default=1), _epochs_shown(runs)
    figure = style.figure(title, subtitle, x=f"megabatch (each of {length} epochs)" if length > 1 else "megabatch", y=y, revision=revision)
    every = max(1, int(np.ceil(count / 20)))
    shown = np.arange(0, count, every)
    figure.update_xaxes(
        range=[0, count * length],
        tickvals=(shown + 0.5) * length,
        ticktext=[str(t + 1) for t in shown],
        ticks="",
        showgrid=False,
        minor={"showgrid": True, "tick0": 0, "dtick": every * length},
        unifiedhovertitle={"text": "epoch %{x:.0f}"},
        hoverformat=".0f",
    )
    return figure


def _end_of_epoch(runs: Runs, run: Mapping[str, Any], frame: pd.DataFrame) -> np.ndarray:
    """Counted by place in the megabatch: methods with several rounds come to the same epoch more than once."""
    megabatch = frame["megabatch"].to_numpy()
    planned = np.asarray(_epochs_planned(run), dtype=float)[megabatch]
    return _epochs_shown(runs) * (megabatch + (frame.groupby("megabatch").cumcount().to_numpy() + 1) / planned)


def _end_of_megabatch(runs: Runs, run: Mapping[str, Any], frame: pd.DataFrame) -> np.ndarray:
    return (frame["megabatch"].to_numpy(dtype=float) + 1) * _epochs_shown(runs)


def _line(
    figure: go.Figure,
    runs: Runs,
    run: Mapping[str, Any],
    frame: pd.DataFrame,
    values: pd.Series,
    name: str,
    colour: str,
    dash: str,
    unit: str = "",
) -> None:
    x, y = style.thin(_end_of_epoch(runs, run, frame), values.to_numpy(dtype=float))
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"%{{y:{'.1f' if unit else '.3f'}}}{unit}",
        )
    )


def _marks(
    figure: go.Figure,
    runs: Runs,
    run: Mapping[str, Any],
    frame: pd.DataFrame,
    values: pd.Series,
    name: str,
    look: Look,
    unit: str = "",
    listed: bool = True,
    digits: int = 1,
) -> None:
    figure.add_trace(
        go.Scatter(
            x=_end_of_megabatch(runs, run, frame).astype(np.float32),
            y=values.to_numpy(dtype=np.float32),
            name=name,
            mode="markers",
            showlegend=listed,
            marker={"symbol": look.symbol, "size": 9, "color": look.colour, "line": {"width": 1.5, "color": "white"}},
            hovertemplate=f"%{{y:.{digits}f}}{unit}",
        )
    )
