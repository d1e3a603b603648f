"""Figures of what a network gets wrong: the confusion matrix of its classes, and what its first filters look for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ... import markup
from .. import style

_LABELLED = 12  # classes at most whose numbers fit into the cells


def confusion(matrix: np.ndarray, classes: Sequence[str], *, revision: str = "") -> go.Figure:
    """Test images by class (rows) and by the class that was answered (columns), as shares of the row; right answers on the diagonal."""
    right, images = int(np.trace(matrix)), int(matrix.sum())
    figure = style.figure(
        "Which classes are taken for which?",
        f"{right:,} of {images:,} test images are right (the diagonal) · colour: share of the row",
        x="answer",
        y="class",
        height=460,
        revision=revision,
        legend=False,
    )
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names = [markup.literal(name) for name in classes]
    few = len(classes) <= _LABELLED
    figure.add_trace(
        go.Heatmap(
            z=shares.astype(np.float32),
            zmin=0,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            text=matrix,
            texttemplate="%{text}" if few else None,
            customdata=matrix,
            xgap=1 if few else 0,
            ygap=1 if few else 0,
            hovertemplate=markup.hover("%{customdata} images of class %{y}: answered %{x} (%{z:.1f} % of the class)"),
            colorbar={"title": {"text": "of the class, %", "side": "right"}, "thickness": 10, "outlinewidth": 0},
        )
    )
    every = max(1, math.ceil(len(classes) / 24))
    places = list(range(0, len(classes), every))
    ticks = {"tickvals": places, "ticktext": [names[place] for place in places], "showgrid": False}
    figure.update_xaxes(**ticks)
    figure.update_yaxes(**ticks, autorange="reversed")
    return figure.update_layout(hovermode="closest")


def filters(layer: str, weights: np.ndarray, *, revision: str = "") -> go.Figure:
    """The filters of a layer that reads images, [filter, channel, height, width], as pictures: grey is 0, so removed weights are grey."""
    pictures = _pictures(weights)
    columns = max(1, min(len(pictures), math.ceil(math.sqrt(2 * len(pictures)))))
    rows = math.ceil(len(pictures) / columns)
    height, width = pictures.shape[1:3]
    montage = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 4), dtype=np.uint8)
    for place, picture in enumerate(pictures):
        y, x = (place // columns) * (height + 1), (place % columns) * (width + 1)
        montage[y : y + height, x : x + width, :3], montage[y : y + height, x : x + width, 3] = picture, 255
    what = "colour of the images" if weights.shape[1] == 3 else "light: positive, dark: negative"
    figure = style.figure(
        "What do the first filters look for?",
        f"{layer.removesuffix('.weight')}, {len(pictures)} filters · {what} · grey: 0, as removed weights are",
        x="",
        y="",
        height=max(200, min(460, 110 + 340 * rows // columns)),
        revision=revision,
        legend=False,
    )
    size = max(1, 420 // montage.shape[1])
    figure.add_trace(go.Image(z=montage.repeat(size, 0).repeat(size, 1), colormodel="rgba", hoverinfo="skip"))
    figure.update_xaxes(visible=False)
    return figure.update_yaxes(visible=False)


def _pictures(weights: np.ndarray) -> np.ndarray:
    """[filter, height, width, 3] as bytes; each filter is scaled by its own largest weight. Other numbers of channels: their mean."""
    values = weights if weights.shape[1] == 3 else weights.mean(axis=1, keepdims=True).repeat(3, axis=1)
    largest = np.abs(values).max(axis=(1, 2, 3), keepdims=True)
    scaled = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    return np.round(127.5 + 127.5 * scaled).astype(np.uint8).transpose(0, 2, 3, 1)
