"""Figures of all layers in one mask snapshot: strips of filters, weights removed and brought back, alive or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ... import markup
from .. import style
from ..layers import layer_axes

BACK = "#0072B2"  # came back; WARNING is the colour of removed weights
_MOST_MARKS = 600
_LEAST_PLACE = 60  # percent: words that end further left would begin outside of a narrow chart
_BAR = {"thickness": 10, "len": 1.0, "outlinewidth": 0, "xpad": 6}


def filter_strips(
    names: Sequence[str], strips: np.ndarray, empty: Sequence[int], filters: Sequence[int], *, revision: str = ""
) -> go.Figure:
    """Share kept of the filters of every layer, [layer, place], in falling order; each layer's `empty` filters are marked."""
    figure = style.figure(
        "Are the weights spread over the filters?",
        "one row per layer, its filters sorted · × no weight left",
        x="filters, fullest to emptiest, %",
        y="layer",
        revision=revision,
        legend=False,
    )
    columns = strips.shape[1] if strips.ndim == 2 else 0
    x = 100 * (np.arange(columns, dtype=np.float32) + 0.5) / max(columns, 1)
    figure.add_trace(
        go.Heatmap(
            x=x,
            y=np.arange(len(names)),
            z=np.round(100 * strips).astype(np.uint8),
            zmin=0,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            ygap=1,
            text=[[name.removesuffix(".weight")] * columns for name in names] if columns * len(names) <= 8000 else None,
            hovertemplate=markup.hover(markup.bold("%{text}"), "a filter at %{x:.0f} % of the order keeps %{z} %"),
            colorbar={"title": {"text": "kept of a filter, %", "side": "right"}, **_BAR},
        )
    )
    rows, places = np.nonzero(strips == 0)
    every = max(1, -(-len(rows) // _MOST_MARKS))
    _crosses(figure, x[places[::every]], rows[::every])
    for row, (count, whole) in enumerate(zip(empty, filters)):
        if count:
            figure.add_annotation(
                x=max(100 * (1 - count / whole) - 1, _LEAST_PLACE),  # beside the crosses, and over them where too little is left
                y=row,
                text=markup.bold(f"{count} of {whole} empty"),
                showarrow=False,
                xanchor="right",
                font={"color": "#FFFFFF", "size": 11},
                bgcolor="rgba(18,22,28,0.6)",
                borderpad=1,
            )
    layer_rows(figure, names)
    figure.layout.margin.t += style.LEGEND_ROOM  # a layer is in one row with itself in the figures beside it, which have legends
    figure.update_xaxes(range=[0, 100], ticksuffix=" %", showgrid=False, showline=False)
    return figure


def layer_rows(figure: go.Figure, names: Sequence[str]) -> None:
    """The axis of layers, and no higher than a small network needs."""
    layer_axes(figure, names, None)
    if 140 + 34 * len(names) < style.TALL:
        figure.update_layout(height=max(style.LOW, 140 + 34 * len(names)))


def _crosses(figure: go.Figure, x: np.ndarray, y: np.ndarray) -> None:
    """Marks on cells with nothing left: by colour alone they would look like those with little left."""
    marker = {"symbol": "x-thin", "size": 5, "line": {"width": 1, "color": "rgba(255,255,255,0.55)"}}
    figure.add_trace(go.Scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip", showlegend=False))


def moves(changes: pd.DataFrame, since: str, *, revision: str = "") -> go.Figure:
    """Weights of each layer that were removed and that came back, as a share of the layer; `since` names the previous snapshot."""
    figure = style.figure(
        "What went, and what came back?", f"since {since}", x="share of the layer's weights, %", y="layer", revision=revision
    )
    rows = np.arange(len(changes))
    for column, name, colour, sign in (("died", "removed", style.WARNING, -1), ("born", "came back", BACK, 1)):
        figure.add_trace(
            go.Bar(
                x=sign * 100 * changes[column].to_numpy(float) / changes["total"].to_numpy(float),
                y=rows,
                orientation="h",
                name=name,
                marker={
                    "color": colour,
                    "line": {"width": 0},
                    "pattern": {"shape": "" if sign < 0 else "/", "solidity": 0.3, "fillmode": "overlay", "fgcolor": "#FFFFFF"},
                },
                text=[name.removesuffix(".weight") for name in changes["layer"]],
                textposition="none",
                customdata=changes[[column, "total"]].to_numpy(),
                hovertemplate=markup.hover(markup.bold("%{text}"), f"%{{customdata[0]:,}} of %{{customdata[1]:,}} {name}"),
            )
        )
    layer_rows(figure, changes["layer"].tolist())
    low, high = (100 * float((changes[c] / changes["total"]).max() or 0) if len(changes) else 0.0 for c in ("died", "born"))
    _two_sided(figure, max(low, 1.0), high)
    return figure.update_layout(barmode="overlay", bargap=0.3)


def _two_sided(figure: go.Figure, left: float, right: float) -> None:
    """An axis with shares on both sides of zero."""
    step = next(step for step in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if max(left, right) / step <= 6 or step == 50)
    ticks = np.arange(-np.ceil(left / step), np.ceil(right / step) + 1) * step
    figure.update_xaxes(
        tickvals=ticks.tolist(),
        ticktext=[f"{abs(tick):g} %" for tick in ticks],
        range=[-1.05 * left, max(1.05 * right, 0.03 * left)],
        zeroline=True,
        zerolinewidth=1.5,
    )


def alive(counts: pd.DataFrame, *, revision: str = "") -> go.Figure:
    """Kept and alive share of each layer; `counts` has layer, kept, alive, total in network order."""
    figure = style.figure(
        "Do the kept weights still matter?",
        "alive: on a path from input to output",
        x="share of the layer's weights, %",
        y="layer",
        revision=revision,
    )
    kept, living = (100 * counts[column].to_numpy(float) / counts["total"].to_numpy(float) for column in ("kept", "alive"))
    rows = np.arange(len(counts))
    gaps = np.column_stack([kept, living, np.full(len(rows), np.nan)]).ravel()
    figure.add_trace(
        go.Scatter(
            x=gaps, y=np.repeat(rows, 3), mode="lines", line={"width": 5, "color": style.WARNING}, hoverinfo="skip", showlegend=False
        )
    )
    marks = (
        ("kept by the mask", kept, {"symbol": "circle-open", "size": 13, "color": style.GREY, "line": {"width": 2}}),
        ("alive", living, {"symbol": "circle", "size": 7, "color": BACK}),
    )
    for name, values, marker in marks:
        figure.add_trace(
            go.Scatter(
                x=values,
                y=rows,
                mode="markers",
                name=name,
                marker=marker,
                text=[name.removesuffix(".weight") for name in counts["layer"]],
                customdata=counts[["kept", "alive", "total"]].to_numpy(),
                hovertemplate=markup.hover(
                    markup.bold("%{text}"), "kept %{customdata[0]:,} of %{customdata[2]:,}", "alive %{customdata[1]:,}"
                ),
            )
        )
    layer_rows(figure, counts["layer"].tolist())
    figure.update_xaxes(range=[-2, 103], ticksuffix=" %", showgrid=True)
    return figure.update_yaxes(showgrid=True)
