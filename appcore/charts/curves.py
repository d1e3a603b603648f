"""Training curves: accuracy, loss, generalization gap and cumulative errors, of one run or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup
from ..analysis.measures import MEASURES, lower
from . import style
from .axes import CLOCK, TimeAxis, View, mark_beyond, smoothed
from .run_styles import Look, looks

Runs = Sequence[Mapping[str, Any]]
PLAIN = View()
_STRIP = 0.09  # of the height up to 100 %: room above it for the marks of events, which would hide the curve


def accuracy(
    runs: Runs,
    epochs: pd.DataFrame,
    megabatches: pd.DataFrame,
    *,
    rounds: pd.DataFrame | None = None,
    revision: str = "",
    view: View = PLAIN,
    among: Runs = (),
) -> go.Figure:
    """Train, validation and test accuracy of one run; validation and test accuracy of several. `rounds`: tests of rounds, of the store."""
    alone = len(runs) == 1
    subtitle = (
        "on top: ▼ pruned, | learning rate drops, ★ weights carried on"
        if alone
        else "lines: validation after each epoch · marks: test after each megabatch or round"
    )
    figure, axis = _over_time("How accurate is it?", subtitle, MEASURES["accuracy"].title, runs, epochs, revision, view)
    lows = []
    for run, look in _looked(runs, among):
        mine, tests = _of(epochs, run), _tests(rounds, megabatches, run)
        if alone:
            _line(figure, axis, view, run, 100 * mine["train_accuracy"], "train", style.GREY, "solid", unit=" %")
        _line(figure, axis, view, run, 100 * mine["val_accuracy"], "validation" if alone else look.label, look.colour, look.dash, unit=" %")
        _marks(
            figure,
            axis,
            run,
            tests,
            100 * tests["test_accuracy"],
            "test" if alone else f"{look.label}, test",
            look,
            unit=" %",
            listed=alone,
        )
        if alone and "seen_accuracy" in tests and tests["seen_accuracy"].notna().any():  # where classes come one after another
            seen = replace(look, symbol="diamond-wide")
            _marks(figure, axis, run, tests, 100 * tests["seen_accuracy"], "test, classes seen", seen, unit=" %")
        lows += [100 * mine[c].min() for c in (("train_accuracy", "val_accuracy") if alone else ("val_accuracy",)) if len(mine)]
    low = max(0.0, 10 * np.floor(min(lows, default=0.0) / 10) - 2)
    figure.update_yaxes(range=[low, 100 + (_STRIP if alone else 0.015) * (100 - low)], ticksuffix=" %")
    if alone:
        _events(figure, axis, runs[0], _of(epochs, runs[0]))
    return figure


def loss(
    runs: Runs, epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "", view: View = PLAIN, among: Runs = ()
) -> go.Figure:
    """Cross-entropy of train and validation of one run; of validation of several."""
    alone = len(runs) == 1
    subtitle = "cross-entropy · grey: train · line: validation · marks: test" if alone else "validation cross-entropy"
    figure, axis = _over_time("Is it still learning?", subtitle, MEASURES["loss"].title, runs, epochs, revision, view)
    highs, lows = [], []
    for run, look in _looked(runs, among):
        mine, tests = _of(epochs, run), _of(megabatches, run)
        if alone:
            _line(figure, axis, view, run, mine["train_loss"], "train", style.GREY, "solid")
            _marks(figure, axis, run, tests, tests["test_loss"], "test", look, digits=3)
        _line(figure, axis, view, run, mine["val_loss"], "validation" if alone else look.label, look.colour, look.dash)
        losses = mine[["train_loss", "val_loss"] if alone else ["val_loss"]]
        highs += list(losses.quantile(0.98))
        lows += [value for value in losses.min() if value > 0]
    high = max([value for value in highs if np.isfinite(value)], default=1.0)
    if view.logarithmic:
        return logarithmic(figure, min(lows, default=0.01), high)
    top = 0.5 * np.ceil(max(high, 0.5) * 1.06 / 0.5)
    figure.update_yaxes(range=[0, top])
    return mark_beyond(figure, 0, top)


def logarithmic(figure: go.Figure, low: float, high: float) -> go.Figure:
    """A logarithmic y axis over these values, with a zoom of its own."""
    low, high = max(0.8 * low, 1e-6), 1.2 * max(high, 0.01)
    figure.update_yaxes(type="log", range=[np.log10(low), np.log10(high)])
    mark_beyond(figure, low, high)
    return figure.update_layout(uirevision=f"{figure.layout.uirevision}/log")


def gap(
    runs: Runs, epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "", view: View = PLAIN, among: Runs = ()
) -> go.Figure:
    """Train minus validation accuracy in percentage points at each epoch and of the weights kept at each megabatch's end; for a single run
    the clean gap of these as well."""
    alone = len(runs) == 1
    about = MEASURES["generalization_gap"]
    words = lower(about.help) + (" · marks: the weights carried on, and clean: train minus test" if alone else "")
    figure, axis = _over_time("Does it overfit?", words, about.title, runs, epochs, revision, view)
    values, clean = [], pd.Series(dtype=float)
    for run, look in _looked(runs, among):
        mine, ends = _of(epochs, run), _of(megabatches, run)
        points = 100 * (mine["train_accuracy"] - mine["val_accuracy"])
        values.append(points)
        _line(figure, axis, view, run, points, "every epoch" if alone else look.label, look.colour, look.dash, unit=" points")
        name = "carried on" if alone else f"{look.label}, carried on"
        _marks(figure, axis, run, ends, 100 * ends["generalization_gap"], name, look, unit=" points", listed=alone)
        if alone and ends["clean_gap"].notna().any():  # not known of runs of earlier versions
            clean = 100 * ends["clean_gap"]
            _marks(figure, axis, run, ends, clean, "clean", replace(look, symbol="diamond-wide"), unit=" points")
    everything = pd.concat(values) if values else pd.Series(dtype=float)
    low, high = (everything.quantile(0.01), everything.quantile(0.99)) if len(everything) else (-5.0, 5.0)
    low, high = (find([edge, *clean.dropna()]) for find, edge in ((min, low), (max, high)))
    low, high = 5 * np.floor(min(low, 0) / 5) - 1, 5 * np.ceil(max(high, 4) / 5) + 1
    figure.add_hline(y=0, line={"width": 1.5, "color": style.GREY})
    figure.update_yaxes(range=[low, high])
    return mark_beyond(figure, low, high)


def errors(
    runs: Runs, epochs: pd.DataFrame, megabatches: pd.DataFrame, *, revision: str = "", view: View = PLAIN, among: Runs = ()
) -> go.Figure:
    """CER: test images misclassified so far, summed over megabatches."""
    about = MEASURES["cer"]
    figure, axis = _over_time("How many errors so far?", lower(about.help), about.title, runs, epochs, revision, view)
    highest = 0.0
    for run, look in _looked(runs, among):
        ends = _of(megabatches, run)
        x = np.append(0.0, axis.ends(run, ends))
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
                cliponaxis=False,  # the first and the last one lie on the edge
                customdata=np.append(0, ends["test_errors"].to_numpy()),
                hovertemplate="%{y:,} errors (%{customdata:,} in this megabatch)",
            )
        )
    figure.update_yaxes(range=[0, max(10.0, 1.12 * highest)])
    return figure.update_layout(showlegend=len(runs) > 1)


def _looked(runs: Runs, among: Runs = ()) -> list[tuple[Mapping[str, Any], Look]]:
    """Each run with its look; alone it is drawn in a whole line, for a dash tells methods apart and makes noise hard to follow."""
    found = looks(among or runs)
    return [(run, replace(found[run["run_id"]], dash="solid") if len(runs) == 1 else found[run["run_id"]]) for run in runs]


def _of(frame: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    return frame[frame["run_id"] == run["run_id"]]


def _tests(rounds: pd.DataFrame | None, megabatches: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """The tests of a run, of its rounds too where they were recorded, in order of time."""
    ends = _of(megabatches, run)
    if rounds is None or not len(rounds):
        return ends
    return pd.concat([_of(rounds, run), ends]).sort_values("segment")


def _over_time(
    title: str, subtitle: str, y: str, runs: Runs, epochs: pd.DataFrame, revision: str, view: View
) -> tuple[go.Figure, TimeAxis]:
    """An empty figure over the view's axis; each axis is a picture of its own with its own zoom."""
    axis = TimeAxis(view, runs, epochs)
    revision = f"{revision or 'fixed'}/{view.x}"
    height = style.COMPARED if len(runs) > 1 else style.ORDINARY
    figure = style.figure(title, subtitle, x="", y=y, height=height, revision=revision, xaxis=axis.settings())
    figure.update_layout(hovermode="x unified" if len(runs) == 1 else "closest", meta=CLOCK)
    axis.mark(figure)
    return figure, axis


def _line(
    figure: go.Figure,
    axis: TimeAxis,
    view: View,
    run: Mapping[str, Any],
    values: pd.Series,
    name: str,
    colour: str,
    dash: str,
    unit: str = "",
) -> None:
    """A curve; where it is smoothed, the raw values stay behind it in a pale colour."""
    x, raw = axis.epochs(run), values.to_numpy(dtype=float)
    look = {"mode": "lines", "line": {"color": colour, "dash": dash, "width": 2}}
    if view.smoothing:
        x_thin, y = style.thin(x, raw)
        figure.add_trace(go.Scatter(x=x_thin, y=y, name=f"{name}, measured", opacity=0.25, showlegend=False, hoverinfo="skip", **look))
    numbers, words = axis.hover(run, len(raw))
    x, y, *places = style.thin(x, smoothed(raw, view.smoothing), *numbers.T)
    value = f"%{{y:{'.1f' if unit else '.3f'}}}{unit}" + (" smoothed" if view.smoothing else "")
    figure.add_trace(go.Scatter(x=x, y=y, name=name, **_hover(figure, name, value, np.column_stack(places), words), **look))


def _hover(figure: go.Figure, name: str, value: str, numbers: np.ndarray, where: str) -> dict[str, Any]:
    """The hover of a trace: its value, in a box that all traces share, or with name and place in a box of its own, which hides little."""
    if figure.layout.hovermode != "closest":
        return {"hovertemplate": value}
    lines = (markup.bold(markup.literal(name)), where, value)
    return {"customdata": numbers, "hovertemplate": markup.hover(*lines)}


def _marks(
    figure: go.Figure,
    axis: TimeAxis,
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
            x=axis.ends(run, frame).astype(np.float32),
            y=values.to_numpy(dtype=np.float32),
            name=name,
            mode="markers",
            showlegend=listed,
            marker={"symbol": look.symbol, "size": 9, "color": look.colour, "line": {"width": 1.5, "color": "white"}},
            cliponaxis=False,  # the last one lies on the edge
            **_hover(figure, name, f"%{{y:.{digits}f}}{unit}", *axis.hover_ends(run, frame)),
        )
    )


def _events(figure: go.Figure, axis: TimeAxis, run: Mapping[str, Any], rows: pd.DataFrame) -> None:
    """Prune points, drops of the learning rate and epochs whose weights were kept, as marks in a strip above 100 %."""
    found = events(rows, drops=run["config"].get("lr_schedule", "steps") == "steps")
    x = axis.epochs(run)
    for kind, (symbol, words) in _EVENTS.items():
        places = [(x[row], text) for row, what, text in found if what == kind]
        if places:
            at, texts = zip(*places, strict=True)
            figure.add_trace(
                go.Scatter(
                    x=np.asarray(at, dtype=np.float32),
                    y=np.full(len(at), 1 - _STRIP / 2 / (1 + _STRIP), dtype=np.float32),
                    yaxis="y2",
                    name=words,
                    showlegend=False,
                    text=texts,
                    mode="markers",
                    marker={"symbol": symbol, "size": 8, "color": style.GREY},
                    cliponaxis=False,  # the last one lies on the edge
                    hovertemplate=markup.hover("%{text}"),
                )
            )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


_EVENTS = {
    "prune": ("triangle-down", "pruned"),
    "rate": ("line-ns-open", "learning rate drops"),
    "best": ("star", "weights carried on"),
}


def events(rows: pd.DataFrame, *, drops: bool = True) -> list[tuple[int, str, str]]:
    """(row, kind, words) of the events of one run, each at the end of the epoch in or before which it happened.

    `drops`: whether a lower learning rate is one; where it falls all the time, it is none.
    """
    found: list[tuple[int, str, str]] = []
    density, rate = 1.0, None
    for place, (megabatch, now, new) in enumerate(zip(rows["megabatch"], rows["density"], rows["learning_rate"], strict=True)):
        if now != density:
            found.append((place, "prune", f"{'pruned' if now < density else 'grown'} to a density of {100 * now:.1f} %"))
        if drops and rate is not None and new < rate[1] and megabatch == rate[0]:
            found.append((place, "rate", f"learning rate {rate[1]:g} to {new:g}"))
        density, rate = now, (megabatch, new)
    best = rows.reset_index(drop=True)
    best = best[best["is_best"].astype(bool)].groupby("megabatch").tail(1)
    found += [
        (int(place), "best", f"weights of epoch {row.epoch + 1} carried on")
        for place, row in zip(best.index, best.itertuples(), strict=True)
    ]
    return sorted(found)
