"""Heatmaps of layers over megabatches: sparsity of one run, and the difference of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup
from ..analysis.measures import MEASURES, fraction_kept
from ..planning import stages
from . import style
from .axes import stage_axis
from .layers import grid, layer_axes, staged
from .run_styles import looks

Run = Mapping[str, Any]
_MOST_LABELS, _MOST_GAPS = 320, 600  # cells


def sparsity_map(layers: pd.DataFrame, run: Mapping[str, Any], *, chosen: int | None = None, revision: str = "") -> go.Figure:
    """Sparsity of every layer (top: input, bottom: output) at every stage, on one scale from 0 to 100 %; `chosen` (from 0) is outlined."""
    known = stages.of_run(run)
    count = len(known.places)
    layers = layers.assign(megabatch=known.of(layers))
    figure = style.figure(
        "Which layers lose their weights?",
        "top: nearest the input · bottom: nearest the output",
        x=known.word,
        y="layer",
        revision=revision,
        legend=False,
    )
    names, kept = grid(layers, "kept", count)
    total, alive = grid(layers, "total", count)[1], grid(layers, "alive", count)[1]
    sparsity = (100 * (1 - fraction_kept({"kept": kept, "total": total}))).astype(np.float32)
    counts = np.stack([kept, total, alive], axis=-1) if names else np.zeros((0, count, 3))
    figure.add_trace(
        go.Heatmap(
            x=np.arange(1, count + 1),
            y=np.arange(len(names)),
            z=sparsity,
            zmin=0,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            **_gaps(sparsity),
            customdata=np.nan_to_num(counts).astype(np.int32),
            text=[[f"{name}, {known.word} {label}" for label in known.labels] for (name, *_) in _hover_names(names, 1)],
            hovertemplate=markup.hover(
                markup.bold("%{text}"),
                "sparsity %{z:.2f} %",
                "kept %{customdata[0]:,} of %{customdata[1]:,}",
                "alive %{customdata[2]:,}",
            ),
            hoverongaps=False,
            colorbar=_colorbar(MEASURES["sparsity"].title, len(names)),
        )
    )
    _add_cell_labels(figure, sparsity, 0, 100, style.SEQUENTIAL, signed=False)
    if chosen is not None:
        _outline(figure, chosen, len(names))
    return stage_axis(layer_axes(figure, names, count, least=style.TALL), known.labels)


def difference_map(
    layers: pd.DataFrame, first: Run, second: Run, chosen: int, *, revision: str = "", among: Sequence[Run] = ()
) -> go.Figure:
    """Kept fraction of the first run minus that of the second, in points, for every layer and stage; `chosen` (from 0) is outlined."""
    layers, word, labels = staged(layers, among or [first, second])
    found = looks(among or [first, second])
    a, b = (found[run["run_id"]].label for run in (first, second))
    figure = style.figure(
        "Where do they differ, and when?",
        f"blue: {a} keeps more · orange: {b} keeps more",
        x=word,
        y="layer",
        revision=revision,
        legend=False,
    )
    count = len(labels)
    names, left, right = _shares(layers, first, second, count)
    points = (100 * (left - right)).astype(np.float32)
    limit = float(max(5.0, 5 * np.ceil(np.nanmax(np.abs(points), initial=0) / 5))) if np.isfinite(points).any() else 5.0
    figure.add_trace(
        go.Heatmap(
            x=np.arange(1, count + 1),
            y=np.arange(len(names)),
            z=points,
            zmin=-limit,
            zmax=limit,
            zmid=0,
            colorscale=style.scale(style.DIVERGING),
            **_gaps(points),
            text=[[f"{name}, {word} {label}" for label in labels] for (name, *_) in _hover_names(names, 1)],
            customdata=np.nan_to_num(np.stack([100 * left, 100 * right], axis=-1)).astype(np.float32),
            hovertemplate=markup.hover(
                markup.bold("%{text}"),
                f"{markup.literal(a)} keeps %{{customdata[0]:.1f}} %",
                f"{markup.literal(b)} keeps %{{customdata[1]:.1f}} %",
                "difference %{z:+.1f} points",
            ),
            hoverongaps=False,
            colorbar=_colorbar("points", len(names)),
        )
    )
    _add_cell_labels(figure, points, -limit, limit, style.DIVERGING, signed=True)
    _outline(figure, chosen, len(names))
    return stage_axis(layer_axes(figure, names, count), labels)


def _outline(figure: go.Figure, megabatch: int, rows: int) -> None:
    if rows:
        frame = {"x0": megabatch + 0.5, "x1": megabatch + 1.5, "y0": -0.5, "y1": rows - 0.5}
        figure.add_shape(type="rect", **frame, line={"width": 2.5, "color": style.GREY}, layer="above")


def _shares(
    layers: pd.DataFrame, first: Mapping[str, Any], second: Mapping[str, Any], count: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The layers that both runs have, and the fraction that each run keeps, [layer, megabatch]."""
    sides = []
    for run in (first, second):
        mine = layers[layers["run_id"] == run["run_id"]]
        names, kept = grid(mine, "kept", count)
        sides.append((names, fraction_kept({"kept": kept, "total": grid(mine, "total", count)[1]})))
    shared = [name for name in sides[0][0] if name in set(sides[1][0])]
    left, right = (values[[names.index(name) for name in shared]] for names, values in sides)
    return shared, left, right


def _gaps(values: np.ndarray) -> dict[str, int]:
    return {"xgap": 2, "ygap": 2} if values.size <= _MOST_GAPS else {"xgap": 0, "ygap": 0}


def _add_cell_labels(figure: go.Figure, values: np.ndarray, low: float, high: float, colours: Sequence[str], signed: bool) -> None:
    """The number in each cell, white on dark cells and dark on light ones; left out where cells are small."""
    rows, columns = np.nonzero(np.isfinite(values))
    if not len(rows) or values.size > _MOST_LABELS:
        return
    shown = values[rows, columns]
    steps = np.clip(np.rint((shown - low) / (high - low) * (len(colours) - 1)), 0, len(colours) - 1).astype(int)
    figure.add_trace(
        go.Scatter(
            x=columns + 1,
            y=rows,
            mode="text",
            text=[_whole(value, signed) for value in shown],
            hoverinfo="skip",
            showlegend=False,
            textfont={"size": 11, "color": [style.ink_on(colours[step]) for step in steps]},
        )
    )


def _whole(value: float, signed: bool) -> str:
    number = round(float(value))
    return f"{number:+d}".replace("-", "−") if signed and number else str(number)


def _hover_names(names: Sequence[str], megabatches: int) -> list[list[str]]:
    return [[name.removesuffix(".weight")] * megabatches for name in names]


def _colorbar(title: str, rows: int) -> dict[str, Any]:
    return {"title": {"text": title, "side": "right"}, "thickness": 10, "len": 1.0, "outlinewidth": 0, "xpad": 6}
