"""Figures of runs repeated over seeds: curves with bands, and differences from a baseline with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore.analysis.measures import MEASURES, lower
from appcore.analysis.repeats import Repeats, band, by_seed, difference

from . import style
from .axes import TimeAxis, View, mark_beyond
from .run_styles import Look, looks

BANDS = {  # name of the curve: (title, column that is averaged)
    "accuracy": ("How accurate is it?", "val_accuracy"),
    "gap": ("Does it overfit?", "generalization_gap"),
    "loss": ("Is it still learning?", "val_loss"),
    "errors": ("How many errors so far?", "cer"),
}
DIFFERENCES = ("test_accuracy", "val_accuracy", "generalization_gap", "clean_gap", "cer")


def bands(name: str, groups: Sequence[Repeats], epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Means over the seeds of each experiment, and the range of its seeds as a band; `name` is a key of BANDS."""
    title, column = BANDS[name]
    about = MEASURES[column]
    subtitle = f"{lower(about.help)} · mean and range over seeds"
    axis = TimeAxis(View(), [run for group in groups for run in group.runs.values()], epochs)
    figure = style.figure(title, subtitle, x="", y=about.title, revision=f"{revision or 'fixed'}/bands", xaxis=axis.settings())
    frame = megabatches if name == "errors" else epochs.assign(generalization_gap=epochs["train_accuracy"] - epochs["val_accuracy"])
    edges: list[float] = []
    for group, look in _looked(groups):
        table = band(about.shown(by_seed(group, frame, column)))
        places = max((_places(axis, run, name, frame) for run in group.runs.values()), key=len)
        _band(figure, places[: len(table)], table, look, look.label, f"%{{y:,.{about.digits}f}} {about.unit}, n = {len(group.runs)}")
        edges += [*table["low"].dropna(), *table["high"].dropna()]
    if name == "gap":
        figure.add_hline(y=0, line={"width": 1.5, "color": style.GREY})
    # As in curves of single runs, a spike at the start does not flatten everything else.
    edges = edges or [0.0, 1.0]
    low, high = (min(edges), max(edges)) if name == "errors" else np.quantile(edges, (0.01, 0.98))
    if name == "accuracy":
        return figure.update_yaxes(range=[max(0.0, 10 * np.floor(low / 10) - 2), 101.5], ticksuffix=" %")
    low, high = 1.06 * min(low, 0.0), 1.06 * high
    return mark_beyond(figure.update_yaxes(range=[low, high]), low, high)


def _places(axis: TimeAxis, run: Mapping[str, Any], name: str, frame: pd.DataFrame) -> np.ndarray:
    if name != "errors":
        return axis.epochs(run)
    return axis.ends(run, frame[frame["run_id"] == run["run_id"]])


def differences(metric: str, groups: Sequence[Repeats], baseline: Repeats, megabatches: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Each experiment minus the baseline after each megabatch, seed by seed, with the 95 % interval of the mean; a name of MEASURES."""
    about = MEASURES[metric]
    unit = "points" if about.unit == "%" else about.unit
    better = {1: " · above 0: better", -1: " · below 0: better"}[about.better]
    figure = style.figure(
        f"What is gained over {_name(groups, baseline)}?",
        f"difference seed by seed, mean with 95 % interval{better}",
        x="megabatch",
        y=f"{about.label}, {unit}",
        height=style.LOW + 40,
        revision=f"{revision or 'fixed'}/{metric}/{baseline.first['run_id']}",
    )
    base = about.shown(by_seed(baseline, megabatches, metric))
    figure.add_hline(y=0, line={"width": 1.5, "color": style.GREY})
    means, reach = [1.0], [1.0]
    for group, look in _looked(groups):
        if group is baseline:
            continue
        table = difference(about.shown(by_seed(group, megabatches, metric)), base)
        seeds = int(table["n"].max()) if len(table) else 0
        name = f"{look.label} (n = {seeds})" if seeds else f"{look.label}: no seed in common"
        _band(figure, table["place"].to_numpy(float) + 1, table, look, name, f"%{{y:+.{max(about.digits, 1)}f}} {unit}", marks=True)
        means += table["mean"].abs().tolist()
        reach += [value for column in ("low", "high") for value in table[column].abs() if np.isfinite(value)]
    count = max((int(run["config"]["megabatches"]) for group in groups for run in group.runs.values()), default=1)
    figure.update_xaxes(
        range=[0.5, count + 0.5], dtick=1 if count <= 20 else None, unifiedhovertitle={"text": "megabatch %{x}"}, hoverformat=".0f"
    )
    # An interval of two seeds may be very wide; the axis stays readable, and the band runs off the picture.
    limit = 1.1 * max(*means, float(np.quantile(reach, 0.8)))
    return figure.update_yaxes(range=[-limit, limit])


def _name(groups: Sequence[Repeats], group: Repeats) -> str:
    return next(look.label for other, look in _looked(groups) if other is group)


def _looked(groups: Sequence[Repeats]) -> list[tuple[Repeats, Look]]:
    """Each experiment with the style of its representative run, labelled by the settings in which the experiments differ."""
    found = looks([group.first for group in groups])
    return [(group, found[group.first["run_id"]]) for group in groups]


def _band(figure: go.Figure, x: np.ndarray, table: pd.DataFrame, look: Look, name: str, hover: str, marks: bool = False) -> None:
    """A filled band without edge lines, then the mean; they share a legend entry, so that both hide together."""
    red, green, blue = (int(look.colour[i : i + 2], 16) for i in (1, 3, 5))
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": name}
    x, mean, low, high = style.thin(np.asarray(x, float), *(table[column].to_numpy(float) for column in ("mean", "low", "high")))
    figure.add_trace(go.Scatter(x=x, y=high, **edge))
    figure.add_trace(go.Scatter(x=x, y=low, fill="tonexty", fillcolor=f"rgba({red},{green},{blue},0.18)", **edge))
    figure.add_trace(
        go.Scatter(
            x=x,
            y=mean,
            name=name,
            legendgroup=name,
            mode="lines+markers" if marks else "lines",
            line={"color": look.colour, "dash": look.dash, "width": 2.5},
            marker={"symbol": look.symbol, "size": 8},
            customdata=np.column_stack([low, high]),
            hovertemplate=f"{hover} (%{{customdata[0]:{'+' if marks else ''}.1f}} to %{{customdata[1]:{'+' if marks else ''}.1f}})",
        )
    )
