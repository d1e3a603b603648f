"""Figures of a hypothetical density: the share kept of each layer, the threshold among the scores, which layer runs empty first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup, plugin_styles
from ..analysis.measures import fraction_kept
from ..analysis.what_if import Answer
from ..names import display
from . import style
from .masks.mask_layers import layer_rows

_MOST_TICKS = 6  # on an axis of powers of ten, so that they have room on a phone
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x", "triangle-down", "pentagon")


def kept(answers: Mapping[str, Answer], *, logarithmic: bool = False, revision: str = "what-if") -> go.Figure:
    """Share kept of each layer, one mark per criterion; layers that would be empty have a cross."""
    figure = style.figure(
        "What would be left of each layer?",
        "× nothing left · grey rows: not pruned",
        x="kept, % of the layer's weights",
        y="layer",
        revision=revision,
    )
    names = next(iter(answers.values())).layers["layer"].tolist() if answers else []
    shares = {name: 100 * fraction_kept(found.layers).to_numpy(np.float32) for name, found in answers.items()}
    floor = _floor(shares) if logarithmic else 0.0  # zero has no place on a logarithmic axis: it is drawn at the left edge
    places = {name: np.maximum(share, floor) for name, share in shares.items()}
    _joins(figure, places)
    for place, (name, share) in enumerate(shares.items()):
        layers, symbol = answers[name].layers, _SYMBOLS[place % len(_SYMBOLS)]
        figure.add_trace(
            go.Scatter(
                x=places[name],
                y=np.arange(len(share)),
                name=display(name),
                legendgroup=name,
                showlegend=False,
                mode="markers",
                text=[layer.removesuffix(".weight") for layer in layers["layer"]],
                marker={
                    "symbol": ["x-thin" if count == 0 else symbol for count in layers["kept"]],
                    "size": 11 if place == 0 else 9,
                    "color": plugin_styles.colour_of(name),
                    "line": {"width": [2.5 if count == 0 else 1 for count in layers["kept"]], "color": plugin_styles.colour_of(name)},
                },
                customdata=np.column_stack([layers[["kept", "total"]].to_numpy(float), share]),
                hovertemplate=markup.hover(
                    markup.bold("%{text}"),
                    f"{markup.literal(display(name))} keeps %{{customdata[2]:.3g}} %",
                    "%{customdata[0]:,} of %{customdata[1]:,}",
                ),
            )
        )
        _listed(figure, name, symbol)
    layer_rows(figure, names)
    if answers:
        _grey_exempt(figure, next(iter(answers.values())).layers, floor)
    figure.update_xaxes(range=[-2, 103], ticksuffix=" %", showgrid=True)
    if logarithmic:
        low = round(math.log10(floor))
        ticks = [10.0**power for power in range(low, 3)]
        figure.update_xaxes(type="log", range=[low - 0.1, 2.05], tickvals=ticks, ticktext=[f"{tick:g} %" for tick in ticks], ticksuffix="")
    return figure.update_yaxes(showgrid=True)


def _floor(shares: Mapping[str, np.ndarray]) -> float:
    """The power of ten below the smallest share above zero."""
    some = [float(share[share > 0].min()) for share in shares.values() if (share > 0).any()]
    return 10.0 ** math.floor(math.log10(min([*some, 10.0])))


def _joins(figure: go.Figure, shares: Mapping[str, np.ndarray]) -> None:
    if len(shares) > 1:
        table = np.array(list(shares.values()))
        x = np.column_stack([table.min(0), table.max(0), np.full(table.shape[1], np.nan, np.float32)]).ravel()
        line = {"width": 4, "color": "rgba(122,133,148,0.35)"}
        y = np.repeat(np.arange(table.shape[1]), 3)
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False))


def _listed(figure: go.Figure, criterion: str, symbol: str) -> None:
    """The entry of a criterion in the legend: taken from its marks it would be a cross where the first layer is empty."""
    marker = {"symbol": symbol, "size": 10, "color": plugin_styles.colour_of(criterion)}
    figure.add_trace(
        go.Scatter(x=[None], y=[None], name=display(criterion), legendgroup=criterion, mode="markers", marker=marker, hoverinfo="skip")
    )


def _grey_exempt(figure: go.Figure, layers: pd.DataFrame, left: float) -> None:
    for place in np.flatnonzero(layers["exempt"]):
        shape = {
            "x0": left or -2,
            "x1": 103,
            "y0": place - 0.5,
            "y1": place + 0.5,
            "line": {"width": 0},
            "fillcolor": "rgba(122,133,148,0.16)",
        }
        figure.add_shape(type="rect", **shape, layer="below")
        figure.add_annotation(x=0.5, xref="paper", y=place, text="not pruned", showarrow=False, font_size=11)


def score_histogram(
    bins: pd.DataFrame, threshold: float | None, criterion: str, where: str = "all layers", *, revision: str = ""
) -> go.Figure:
    """Scores in logarithmic bins, split into kept and pruned, with the threshold where there is one for all."""
    figure = style.figure(
        "Where does the threshold fall?",
        f"scores by {display(criterion)} of {where}" + ("" if threshold is not None else " · each layer has a threshold of its own"),
        x="score (logarithmic)",
        y="weights",
        height=style.LOW + 40,
        revision=revision or f"{criterion} {where}",
    )
    x = np.arange(len(bins)) + 0.5
    ranges = [f"{low:.2g} to {high:.2g}" for low, high in zip(bins["low"], bins["high"])]
    for column, name, colour, pattern in (("pruned", "pruned", style.WARNING, "/"), ("kept", "kept", "#0072B2", "")):
        figure.add_trace(
            go.Bar(
                x=x,
                y=bins[column].to_numpy(np.float32),
                width=1,
                name=name,
                text=ranges,
                textposition="none",
                marker={
                    "color": colour,
                    "line": {"width": 0},
                    "pattern": {"shape": pattern, "solidity": 0.25, "fillmode": "overlay", "fgcolor": "#FFFFFF"},
                },
                hovertemplate=markup.hover(f"%{{y:,.0f}} {name}, score %{{text}}"),
            )
        )
    edges = np.append(bins["low"].to_numpy(float), bins["high"].to_numpy(float)[-1:])
    if threshold is not None and len(edges):
        at = _place(threshold, edges)
        figure.add_vline(x=at, line={"width": 2, "dash": "dot", "color": style.GREY})
        figure.add_annotation(
            x=at,
            y=1,
            yref="paper",
            yanchor="top",  # above it is the legend
            text=f"threshold {threshold:.3g}",
            showarrow=False,
            xanchor="left" if at < len(x) / 2 else "right",
        )
    decades = _decades(edges)
    figure.update_xaxes(
        range=[0, len(bins)], tickvals=[place for place, _ in decades], ticktext=[text for _, text in decades], showgrid=False
    )
    highest = float((bins["kept"] + bins["pruned"]).max()) if len(bins) else 1.0
    figure.update_yaxes(range=[0, 1.14 * max(highest, 1.0)])  # above the bars there is room for words
    return figure.update_layout(barmode="stack", bargap=0, hovermode="x unified")


def _place(value: float, edges: np.ndarray) -> float:
    """The position of a score on an axis of bin numbers."""
    i = int(np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2))
    low, high = edges[i], edges[i + 1]
    share = math.log(value / low) / math.log(high / low) if low > 0 < value else (value - low) / (high - low)
    return i + float(np.clip(share, 0.0, 1.0))


def _decades(edges: np.ndarray) -> list[tuple[float, str]]:
    """Ticks at powers of ten and 0 on an axis of bin numbers; at most about eight."""
    sizes = np.abs(edges[edges != 0])
    if not len(sizes):
        return []
    powers = range(math.ceil(math.log10(sizes.min())), math.floor(math.log10(sizes.max())) + 1)
    chosen = list(powers)[:: max(1, math.ceil(len(powers) / (4 if edges[0] < 0 else 8)))]
    found = [(_place(10.0**power, edges), f"1e{power}") for power in chosen]
    if edges[0] < 0:
        found += [(_place(-(10.0**power), edges), f"−1e{power}") for power in chosen]
        found.append((_place(0.0, edges), "0"))
    return sorted(found)


def first_to_die(falls: Mapping[str, pd.DataFrame], densities: Mapping[str, float], *, revision: str = "what-if") -> go.Figure:
    """The density at which each layer loses its last weight, per criterion; left of the line at its own density it still has some."""
    figure = style.figure(
        "When does each layer run empty?",
        "what is kept in all when its last weight goes · right of the line: × empty",
        x="weights kept in all, % (logarithmic)",
        y="layer",
        revision=revision,
    )
    names = _network_order(falls)
    row = {name: place for place, name in enumerate(names)}
    lows = [100 * density for density in densities.values()]
    for place, (criterion, fall) in enumerate(falls.items()):
        density = densities[criterion]
        x = 100 * fall["density"].to_numpy(float)
        lows += [float(x.min())] if len(x) else []
        dead = fall["density"].to_numpy(float) > density * (1 + 1e-9)
        symbol = _SYMBOLS[place % len(_SYMBOLS)]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[row[name] for name in fall["layer"]],
                name=display(criterion),
                legendgroup=criterion,
                showlegend=False,
                mode="markers",
                text=[name.removesuffix(".weight") for name in fall["layer"]],
                customdata=fall["kept"].to_numpy(),
                marker={
                    "symbol": ["x-thin" if gone else symbol for gone in dead],
                    "size": 10,
                    "color": plugin_styles.colour_of(criterion),
                    "line": {"width": [2.5 if gone else 1 for gone in dead], "color": plugin_styles.colour_of(criterion)},
                },
                hovertemplate=markup.hover(
                    f"{markup.bold('%{text}')}, {markup.literal(display(criterion))}",
                    "runs empty below %{x:.3g} % kept in all (%{customdata:,} weights)",
                ),
            )
        )
        _listed(figure, criterion, symbol)
    is_one = len(set(densities.values())) == 1
    for criterion, density in list(densities.items())[: 1 if is_one else None]:  # by scope flops each keeps another number
        colour = style.GREY if is_one else plugin_styles.colour_of(criterion)
        figure.add_vline(x=100 * density, line={"width": 2, "dash": "dot", "color": colour})
    layer_rows(figure, names)
    low = math.floor(math.log10(max(min(lows), 1e-7)))
    step = -(-(3 - low) // _MOST_TICKS)
    ticks = [10.0**power for power in range(2, low - 1, -step)][::-1]  # 100 % is always one
    figure.update_xaxes(type="log", range=[low, 2.05], tickvals=ticks, ticktext=[f"{tick:g} %" for tick in ticks], showgrid=True)
    return figure.update_yaxes(showgrid=True)


def sensitivity(found: Mapping[str, Any], criterion: str, *, revision: str = "what-if") -> go.Figure:
    """Test accuracy with only one layer cut: a row for each layer, a column for each sparsity of it; see engine/shown/cut_accuracy."""
    layers = [name.removesuffix(".weight") for name in found["layers"]]
    figure = style.figure(
        "Which layer can least be cut?",
        f"only this layer cut by {display(criterion)}, untrained · uncut {100 * found['before']:.1f} % of {found['images']:,} test images",
        x="removed of this layer, %",
        y="layer",
        height=max(260, 120 + 20 * len(layers)),
        revision=revision,
        legend=False,
    )
    figure.add_trace(
        go.Heatmap(
            x=[f"{100 * sparsity:g}" for sparsity in found["sparsities"]],
            y=np.arange(len(layers)),
            z=100 * np.array(found["accuracies"], np.float32),
            zmin=0,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            text=[[layer] * len(found["sparsities"]) for layer in layers],
            texttemplate="%{z:.0f}" if len(layers) <= 40 else None,
            xgap=1,
            ygap=1,
            hovertemplate=markup.hover(markup.bold("%{text}"), "%{z:.1f} % right when %{x} % of it are removed"),
            colorbar={"title": {"text": "right, %", "side": "right"}, "thickness": 10, "outlinewidth": 0},
        )
    )
    layer_rows(figure, list(found["layers"]))
    return figure.update_xaxes(type="category", showgrid=False)


def _network_order(falls: Mapping[str, pd.DataFrame]) -> list[str]:
    """Frames are sorted by density; `place` is the position in the network."""
    rows = pd.concat(list(falls.values())) if falls else pd.DataFrame({"layer": [], "place": []})
    return rows.drop_duplicates("layer").sort_values("place")["layer"].tolist()
