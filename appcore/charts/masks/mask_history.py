"""Figures of masks over time: how long weights survive, and the overlap of mask snapshots of one or two runs versus the random baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from ... import markup
from .. import style
from ..axes import stage_axis
from ..layers import layer_axes
from ..run_styles import Look

LABELLED = 14  # a matrix with more rows or columns has no numbers in its cells


@dataclass(frozen=True)
class Survival:
    """Share of the weights kept in the chosen snapshot that each snapshot of a run keeps: in all, [snapshot], and by [snapshot, layer]."""

    look: Look
    snapshots: Sequence[str]
    whole: np.ndarray
    by_layer: np.ndarray
    layers: Sequence[str] = ()


def survival(sides: Sequence[Survival], chosen: str, *, revision: str = "") -> go.Figure:
    """How many of the weights kept in the `chosen` snapshot are kept later and earlier; thin lines: the first run's layers."""
    figure = style.figure(
        "How long do the kept weights last?",
        f"of those kept at {chosen} · thin: layers",
        x="snapshot",
        y="kept of those weights, %",
        height=style.LOW + 60,
        revision=revision,
    )
    for number, side in enumerate(sides):
        x = np.arange(1, len(side.snapshots) + 1)
        for place, layer in enumerate(side.layers if number == 0 else ()):
            _thin(figure, x, side.by_layer[:, place], layer, place / max(len(side.layers) - 1, 1))
        figure.add_trace(
            go.Scatter(
                x=x,
                y=_percent(side.whole),
                name=side.look.label,
                mode="lines+markers",
                line={"color": side.look.colour, "dash": "solid" if number == 0 else "dot", "width": 3},
                marker={"symbol": side.look.symbol if number == 0 else "square-open", "size": 9, "line": {"width": 2}},
                text=list(side.snapshots),
                hovertemplate=markup.hover(f"{markup.bold(markup.literal(side.look.label))}, snapshot %{{text}}: %{{y:.1f}} %"),
            )
        )
    longest = max((side.snapshots for side in sides), key=len, default=())
    is_shared = all(list(side.snapshots) == list(longest[: len(side.snapshots)]) for side in sides)
    _snapshot_axis(figure, longest if is_shared else [str(number) for number in range(1, len(longest) + 1)])
    if not is_shared:  # each mark says its own name
        figure.update_xaxes(title_text="snapshot, counted in each run")
    figure.update_yaxes(range=[0, 103], ticksuffix=" %")
    return figure.update_layout(showlegend=len(sides) > 1, hovermode="closest", margin_t=92 if len(sides) > 1 else 66)


def _thin(figure: go.Figure, x: np.ndarray, shares: np.ndarray, layer: str, depth: float) -> None:
    colour = style.SEQUENTIAL[round(depth * (len(style.SEQUENTIAL) - 2))]
    figure.add_trace(
        go.Scatter(
            x=x,
            y=_percent(shares),
            mode="lines",
            line={"width": 1, "color": colour},
            opacity=0.7,
            showlegend=False,
            hovertemplate=markup.hover(f"{markup.literal(layer.removesuffix('.weight'))}: %{{y:.1f}} %"),
        )
    )


def _percent(shares: np.ndarray) -> np.ndarray:
    return (100 * shares).astype(np.float32)


def _snapshot_axis(figure: go.Figure, snapshots: Sequence[str]) -> None:
    every = max(1, -(-len(snapshots) // 12))
    shown = range(0, len(snapshots), every)
    figure.update_xaxes(
        range=[0.5, max(len(snapshots), 1) + 0.5], tickvals=[i + 1 for i in shown], ticktext=[snapshots[i] for i in shown], showgrid=False
    )


def overlap(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    chosen: tuple[int, int],
    *,
    by_chance: bool,
    names: tuple[str, str] | None = None,
    revision: str = "",
) -> go.Figure:
    """Intersection over union of every pair of snapshots, in percent; `names` where rows and columns belong to two runs."""
    what = f"{names[0]} against {names[1]}" if names else "any two snapshots of this run"
    figure = style.figure(
        "How alike would random masks be?" if by_chance else "How alike are the masks?",
        "by chance, with the same count in each layer" if by_chance else f"{what} · 100 %: the same weights",
        x=f"snapshot of {names[1]}" if names else "snapshot",
        y=f"snapshot of {names[0]}" if names else "snapshot",
        height=style.LOW + 60,
        revision=revision,
        legend=False,
    )
    percent = _percent(values)
    few = max(percent.shape, default=0) <= LABELLED
    figure.add_trace(
        go.Heatmap(
            x=np.arange(1, len(columns) + 1),
            y=np.arange(1, len(rows) + 1),
            z=percent,
            zmin=0,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            xgap=2 if few else 0,
            ygap=2 if few else 0,
            hovertemplate=markup.hover("snapshots %{y} and %{x}: %{z:.1f} %"),
            colorbar={"title": {"text": "overlap (IoU), %", "side": "right"}, "thickness": 10, "len": 1.0, "outlinewidth": 0, "xpad": 6},
        )
    )
    if few and percent.size:
        _numbers(figure, percent)
    _snapshot_axis(figure, columns)
    every = max(1, -(-len(rows) // 12))
    figure.update_yaxes(
        range=[len(rows) + 0.5, 0.5],
        tickvals=list(range(1, len(rows) + 1, every)),
        ticktext=list(rows[::every]),
        showgrid=False,
        ticks="",
    )
    i, j = chosen
    outline = {"width": 2.5, "color": style.WARNING}
    figure.add_shape(type="rect", x0=j + 0.5, x1=j + 1.5, y0=i + 0.5, y1=i + 1.5, line=outline, layer="above")
    return figure.update_layout(hovermode="closest")


def _numbers(figure: go.Figure, percent: np.ndarray) -> None:
    rows, columns = np.nonzero(np.isfinite(percent))
    shown = percent[rows, columns]
    steps = np.clip(np.rint(shown / 100 * (len(style.SEQUENTIAL) - 1)), 0, len(style.SEQUENTIAL) - 1).astype(int)
    figure.add_trace(
        go.Scatter(
            x=columns + 1,
            y=rows + 1,
            mode="text",
            text=[f"{value:.0f}" for value in shown],
            hoverinfo="skip",
            showlegend=False,
            textfont={"size": 11, "color": [style.ink_on(style.SEQUENTIAL[step]) for step in steps]},
        )
    )


def overlap_by_layer(
    layers: Sequence[str], iou: np.ndarray, chance: np.ndarray, names: tuple[str, str], *, revision: str = ""
) -> go.Figure:
    """Overlap of two masks in each layer versus the random baseline."""
    figure = style.figure(
        "Where do the two keep the same weights?",
        f"{names[0]} and {names[1]} · dot: found, bar: random baseline; to the right of it they agree",
        x="overlap (IoU), %",
        y="layer",
        revision=revision,
    )
    rows, found, random = np.arange(len(layers)), _percent(iou), _percent(chance)
    joins = np.column_stack([random, found, np.full(len(rows), np.nan, np.float32)]).ravel()
    line = {"width": 4, "color": "rgba(122,133,148,0.35)"}
    figure.add_trace(go.Scatter(x=joins, y=np.repeat(rows, 3), mode="lines", line=line, hoverinfo="skip", showlegend=False))
    marks = (
        ("random baseline", random, {"symbol": "line-ns", "size": 13, "line": {"width": 2.5, "color": style.GREY}}),
        ("found", found, {"symbol": "circle", "size": 10, "color": "#0072B2", "line": {"width": 1, "color": "white"}}),
    )
    for name, values, marker in marks:
        figure.add_trace(
            go.Scatter(
                x=values,
                y=rows,
                mode="markers",
                name=name,
                marker=marker,
                text=[layer.removesuffix(".weight") for layer in layers],
                hovertemplate=markup.hover(markup.bold("%{text}"), f"{name}: %{{x:.1f}} %"),
            )
        )
    layer_axes(figure, layers, None)
    figure.update_xaxes(range=[-2, 103], ticksuffix=" %", showgrid=True)
    return figure.update_yaxes(showgrid=True)


def same_weights(
    snapshots: Sequence[int],
    iou: Sequence[float],
    chance: Sequence[float],
    names: tuple[str, str],
    axis: tuple[str, Sequence[str]],
    *,
    revision: str = "",
) -> go.Figure:
    """Overlap of the two masks over all layers after each stage (from 0), versus the random baseline; `axis`: see `stages.named`."""
    word, labels = axis
    figure = style.figure(
        "Do they keep the same weights?",
        f"{names[0]} and {names[1]} · solid: found, dotted: random baseline; above it they agree",
        x=word,
        y="overlap of the masks (IoU), %",
        height=style.COMPARED,
        revision=revision,
    )
    x = np.asarray(snapshots, dtype=float) + 1
    for name, values, line, symbol in (
        ("found", iou, {"color": "#0072B2", "width": 2.5}, "circle"),
        ("random baseline", chance, {"color": style.GREY, "width": 2, "dash": "dot"}, "line-ew-open"),
    ):
        y = (100 * np.asarray(values, dtype=float)).astype(np.float32)
        trace = go.Scatter(x=x, y=y, name=name, mode="lines+markers", line=line, marker={"symbol": symbol, "size": 8})
        figure.add_trace(trace.update(text=[labels[place] for place in snapshots], hovertemplate=f"%{{y:.1f}} % at {word} %{{text}}"))
    stage_axis(figure.update_xaxes(unifiedhovertitle={"text": "overlap"}), labels)
    return figure.update_yaxes(range=[0, 103], ticksuffix=" %")
