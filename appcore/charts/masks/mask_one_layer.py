"""Figures of one layer's mask: its filters over time, and its kernels as small cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ... import markup
from ...analysis import mask_history
from .. import style

HEIGHT = 520
_GAP = 4
_FATES = {  # fate of a weight: (words, colour, mark in the legend)
    mask_history.KEPT: ("kept", "#0072B2"),
    mask_history.BORN: ("came back", "#E8C400"),
    mask_history.DIED: ("just removed", "#D55E00"),
    mask_history.GONE: ("removed earlier", "rgba(122,133,148,0.22)"),
}


def filters_over_time(layer: str, shares: np.ndarray, snapshots: Sequence[str], chosen: int, *, revision: str = "") -> go.Figure:
    """Share kept of each filter of a layer, [filter, snapshot]; filters keep their places."""
    figure = style.figure(
        "What became of each filter?",
        f"{layer.removesuffix('.weight')} · × no weight left · the outlined snapshot is shown beside it",
        x="snapshot",
        y="filter (index)",
        height=HEIGHT,
        revision=revision,
        legend=False,
    )
    filters, count = shares.shape
    figure.add_trace(
        go.Heatmap(
            x=np.arange(1, count + 1),
            y=np.arange(filters),
            z=np.round(100 * shares).astype(np.uint8),
            zmin=0,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            xgap=1,
            ygap=1 if filters <= 64 else 0,
            hovertemplate=markup.hover("filter %{y}, snapshot %{x}: keeps %{z} %"),
            colorbar={"title": {"text": "kept of a filter, %", "side": "right"}, "thickness": 10, "len": 1.0, "outlinewidth": 0, "xpad": 6},
        )
    )
    rows, columns = np.nonzero(shares == 0)
    if len(rows) <= 1500:
        marker = {"symbol": "x-thin", "size": 6, "line": {"width": 1, "color": "rgba(255,255,255,0.6)"}}
        figure.add_trace(go.Scatter(x=columns + 1, y=rows, mode="markers", marker=marker, hoverinfo="skip", showlegend=False))
    every = max(1, -(-count // 12))
    shown = range(0, count, every)
    figure.update_xaxes(range=[0.5, count + 0.5], tickvals=[i + 1 for i in shown], ticktext=[snapshots[i] for i in shown], showgrid=False)
    figure.update_yaxes(range=[filters - 0.5, -0.5], showgrid=False, ticks="")
    outline = {"width": 2.5, "color": style.WARNING}
    figure.add_shape(type="rect", x0=chosen + 0.5, x1=chosen + 1.5, y0=-0.5, y1=filters - 0.5, line=outline, layer="above")
    return figure.update_layout(hovermode="closest")


def kernels(layer: str, fates: np.ndarray, filters: range, inputs: range, *, revision: str = "") -> go.Figure:
    """Each weight of a part of a layer as a cell coloured by its fate; `fates` is [filter, input, ...] (see analysis/mask_history)."""
    turned = len(inputs) * 2 < len(filters)  # a stem with three inputs is drawn transposed
    values = fates.swapaxes(0, 1) if turned else fates
    down, across = (inputs, filters) if turned else (filters, inputs)
    picture = np.nan_to_num(mask_history.kernel_grid(values, down, across), nan=_GAP).astype(np.uint8)
    size = "x".join(str(side) for side in fates.shape[2:]) or "1x1"
    figure = style.figure(
        "Which weights of each kernel are left?",
        f"{layer.removesuffix('.weight')} · {size} cells per kernel",
        x="filter (index)" if turned else "input channel (index)",
        y="input channel (index)" if turned else "filter (index)",
        height=HEIGHT,
        revision=revision,
    )
    figure.add_trace(
        go.Heatmap(
            x=_places(across, picture.shape[1]),
            y=_places(down, picture.shape[0]),
            z=picture,
            zmin=-0.5,
            zmax=4.5,
            colorscale=_steps(),
            showscale=False,
            xgap=1 if max(picture.shape) <= 110 else 0,
            ygap=1 if max(picture.shape) <= 110 else 0,
            hovertemplate=markup.hover("filter %{x:.0f}, input %{y:.0f}" if turned else "filter %{y:.0f}, input %{x:.0f}"),
        )
    )
    for code, (words, colour) in _FATES.items():
        count = int((fates[filters.start : filters.stop, inputs.start : inputs.stop] == code).sum())
        marker = {"symbol": "square", "size": 11, "color": colour}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", name=f"{words}: {count:,}", marker=marker))
    figure.update_xaxes(showgrid=False, showline=False, ticks="", constrain="domain", range=[across.start - 0.5, across.stop - 0.5])
    figure.update_yaxes(showgrid=False, ticks="", scaleanchor="x", constrain="domain", range=[down.stop - 0.5, down.start - 0.5])
    for axis, items in ((figure.update_xaxes, across), (figure.update_yaxes, down)):
        axis(dtick=1 if len(items) <= 16 else None, tickformat="d")
    return figure.update_layout(hovermode="closest")


def _places(items: range, cells: int) -> np.ndarray:
    """Coordinates of the cells, such that rounding gives the index of the kernel they belong to."""
    per_kernel = (cells + 1) // max(len(items), 1) if cells > len(items) else 1
    return (items.start + (np.arange(cells) - max(per_kernel - 2, 0) / 2) / per_kernel).astype(np.float32)


def _steps() -> list[tuple[float, str]]:
    """One flat colour for each code; the gap between kernels shows the page."""
    colours = [*(_FATES[code][1] for code in (mask_history.GONE, mask_history.DIED, mask_history.BORN, mask_history.KEPT)), "rgba(0,0,0,0)"]
    return [(place / 5, colour) for index, colour in enumerate(colours) for place in (index, index + 1)]
