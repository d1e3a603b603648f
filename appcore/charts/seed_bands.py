"""Figures of runs repeated over seeds: curves with bands, and differences from a baseline with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore.analysis.measures import MEASURES, lower
from appcore.analysis.repeats import Repeats, band, by_seed, difference

from .. import markup
from ..names import counted
from . import style
from .axes import CLOCK, TimeAxis, View, mark_beyond, smoothed
from .curves import PLAIN, logarithmic
from .run_styles import Look, experiment_labels, looks

BANDS = {  # name of the curve: (title, column that is averaged)
    "accuracy": ("How accurate is it?", "val_accuracy"),
    "gap": ("Does it overfit?", "generalization_gap"),
    "loss": ("Is it still learning?", "val_loss"),
    "errors": ("How many errors so far?", "cer"),
}
MOST_BARS = 12  # megabatches whose intervals are drawn as bars; more are a band
DIFFERENCES = ("test_accuracy", "val_accuracy", "generalization_gap", "clean_gap", "cer")


def bands(
    name: str,
    groups: Sequence[Repeats],
    epochs: pd.DataFrame,
    megabatches: pd.DataFrame,
    *,
    revision: str = "",
    view: View = PLAIN,
    among: Sequence[Mapping[str, Any]] = (),
) -> go.Figure:
    """Means over the seeds of each experiment, and the range of its seeds as a band; `name` is a key of BANDS."""
    title, column = BANDS[name]
    about = MEASURES[column]
    subtitle = f"{lower(about.help)} · mean and range over seeds"
    axis = TimeAxis(view, [run for group in groups for run in group.runs.values()], epochs)
    figure = style.figure(
        title,
        subtitle,
        x="",
        y=about.title,
        height=style.COMPARED,
        revision=f"{revision or 'fixed'}/{view.x}/bands",
        xaxis=axis.settings(),
    )
    figure.update_layout(hovermode="closest", meta=CLOCK)
    frame = megabatches if name == "errors" else epochs.assign(generalization_gap=epochs["train_accuracy"] - epochs["val_accuracy"])
    edges: list[float] = []
    for group, look in _looked(groups, among):
        table = band(about.shown(by_seed(group, frame, column)))
        run = max(group.runs.values(), key=lambda run: len(axis.epochs(run)))
        if name == "errors":
            run = max(group.runs.values(), key=lambda run: (frame["run_id"] == run["run_id"]).sum())
            rows = frame[frame["run_id"] == run["run_id"]]
            places, hover = axis.ends(run, rows), axis.hover_ends(run, rows)
        else:
            table = table.assign(**{edge: smoothed(table[edge].to_numpy(float), view.smoothing) for edge in ("mean", "low", "high")})
            places, hover = axis.epochs(run)[: len(table)], axis.hover(run, len(table))
        words = f"%{{y:,.{about.digits}f}} {about.unit}" + (" smoothed" if view.smoothing and name != "errors" else "")
        _band(figure, places, table, look, f"{look.label}, {_mean_of(group)}", words, hover=hover, marks=name == "errors")
        edges += [*table["low"].dropna(), *table["high"].dropna()]
    if name == "gap":
        figure.add_hline(y=0, line={"width": 1.5, "color": style.GREY})
    # As in curves of single runs, a spike at the start does not flatten everything else.
    edges = edges or [0.0, 1.0]
    low, high = (min(edges), max(edges)) if name == "errors" else np.quantile(edges, (0.01, 0.98))
    if name == "accuracy":
        return figure.update_yaxes(range=[max(0.0, 10 * np.floor(low / 10) - 2), 101.5], ticksuffix=" %")
    if name == "loss" and view.logarithmic:
        return logarithmic(figure, low, high)
    low, high = 1.06 * min(low, 0.0), 1.06 * high or 1.0
    return mark_beyond(figure.update_yaxes(range=[low, high]), low, high)


def _mean_of(group: Repeats) -> str:
    return f"mean of {counted(len(group.runs), 'seed')}" if len(group.runs) > 1 else f"seed {group.seeds[0]} alone"


def differences(
    metric: str,
    groups: Sequence[Repeats],
    baseline: Repeats,
    megabatches: pd.DataFrame,
    *,
    revision: str = "",
    among: Sequence[Mapping[str, Any]] = (),
) -> go.Figure:
    """Each experiment minus the baseline after each megabatch, seed by seed, with the 95 % interval of the mean; a name of MEASURES."""
    about = MEASURES[metric]
    unit = about.difference_unit
    better = {1: " · above 0: better", -1: " · below 0: better"}[about.better]
    figure = style.figure(
        f"What is gained over {next(look.label for group, look in _looked(groups, among) if group is baseline)}?",
        f"difference seed by seed, mean with 95 % interval{better}",
        x="megabatch",
        y=f"{about.label}, {unit}",
        height=style.COMPARED,
        revision=f"{revision or 'fixed'}/{metric}/{baseline.first['run_id']}",
    )
    base = about.shown(by_seed(baseline, megabatches, metric))
    count = max((int(run["config"]["megabatches"]) for group in groups for run in group.runs.values()), default=1)
    figure.add_hline(y=0, line={"width": 1.5, "color": style.GREY})
    means, reach = [1.0], [1.0]
    figure.update_layout(hovermode="closest")
    others = [(group, look) for group, look in _looked(groups, among) if group is not baseline]
    for rank, (group, look) in enumerate(others):
        table = difference(about.shown(by_seed(group, megabatches, metric)), base, about.difference_limits)
        seeds = int(table["n"].max()) if len(table) else 0
        name = f"{look.label} (n = {seeds})" if seeds else f"{look.label}: no seed in common"
        aside = (rank - (len(others) - 1) / 2) * min(0.1, 0.4 / len(others))  # bars of one megabatch stand side by side
        places = table["place"].to_numpy(int)
        x, hover = places + 1 + aside, (places[:, None] + [1, 0], "after megabatch %{customdata[0]}")
        words = f"%{{y:+.{max(about.digits, 1)}f}} {unit}"
        _band(figure, x, table, look, name, words, hover=hover, marks=True, bars=count <= MOST_BARS)
        means += table["mean"].abs().tolist()
        reach += [value for column in ("low", "high") for value in table[column].abs() if np.isfinite(value)]
    figure.update_xaxes(range=[0.5, count + 0.5], dtick=1 if count <= 20 else None)
    # An interval of two seeds may be very wide; the axis stays readable, and the band runs off the picture.
    limit = 1.1 * max(*means, float(np.quantile(reach, 0.8)))
    return figure.update_yaxes(range=[-limit, limit])


def _looked(groups: Sequence[Repeats], among: Sequence[Mapping[str, Any]] = ()) -> list[tuple[Repeats, Look]]:
    """Each experiment with the style of its representative run, labelled by the settings in which the experiments differ."""
    found, names = looks(among or [group.first for group in groups]), experiment_labels(groups, among)
    return [(group, replace(found[group.first["run_id"]], label=names[group.first["run_id"]])) for group in groups]


def _band(
    figure: go.Figure,
    x: np.ndarray,
    table: pd.DataFrame,
    look: Look,
    name: str,
    words: str,
    *,
    hover: tuple[np.ndarray, str],
    marks: bool = False,
    bars: bool = False,
) -> None:
    """A filled band without edge lines, or `bars`, then the mean; they share a legend entry, so that both hide together.

    `hover` is the place of each point in two numbers, and as a template.
    """
    red, green, blue = (int(look.colour[i : i + 2], 16) for i in (1, 3, 5))
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "legendgroup": name}
    edges = (table[column].to_numpy(float) for column in ("mean", "low", "high"))
    x, mean, low, high, *places = style.thin(np.asarray(x, float), *edges, *hover[0].T)
    if not bars:
        figure.add_trace(go.Scatter(x=x, y=high, **edge))
        figure.add_trace(go.Scatter(x=x, y=low, fill="tonexty", fillcolor=f"rgba({red},{green},{blue},0.18)", **edge))
    sign = "+" if "%{y:+" in words else ""
    figure.add_trace(
        go.Scatter(
            x=x,
            y=mean,
            name=name,
            legendgroup=name,
            mode="lines+markers" if marks else "lines",
            error_y={"type": "data", "array": high - mean, "arrayminus": mean - low, "thickness": 1.5, "width": 5} if bars else None,
            line={"color": look.colour, "dash": look.dash, "width": 2.5},
            marker={"symbol": look.symbol, "size": 8},
            customdata=np.column_stack([*places, low, high]),
            hovertemplate=markup.hover(
                markup.bold(markup.literal(name)),
                hover[1],
                f"{words} (%{{customdata[2]:{sign}.1f}} to %{{customdata[3]:{sign}.1f}})",
            ),
        )
    )
