"""Back-to-back bars of two runs: the share that each keeps of every layer at one megabatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup
from ..analysis.measures import fraction_kept
from . import style
from .layers import layer_axes, newest, staged
from .run_styles import looks

Run = Mapping[str, Any]
MOST_BESIDE = 34  # characters of two names that have room beside each other


def mirrored(layers: pd.DataFrame, first: Run, second: Run, chosen: int, *, revision: str = "", among: Sequence[Run] = ()) -> go.Figure:
    """Bars to the left: kept by the first run; to the right: by the second; one pair for each layer, at stage `chosen` (from 0)."""
    layers, word, labels = staged(layers, among or [first, second])
    found = looks(among or [first, second])
    a, b = found[first["run_id"]], found[second["run_id"]]
    figure = style.figure(
        f"Who keeps more of each layer, at {word} {labels[min(chosen, len(labels) - 1)]}?",
        "share of the layer's weights · top: nearest the input",
        x="kept, %",
        y="layer",
        revision=revision,
        legend=False,
    )
    rows = newest(layers)
    names = rows.sort_values("seq")["layer"].drop_duplicates().tolist()
    place = {name: row for row, name in enumerate(names)}
    rows = rows[rows["megabatch"] == chosen]
    for run, look, axis, shape in ((first, a, "x", ""), (second, b, "x2", "/")):
        mine = rows[rows["run_id"] == run["run_id"]].sort_values("seq")
        figure.add_trace(
            go.Bar(
                x=(100 * fraction_kept(mine)).to_numpy(np.float32),
                y=mine["layer"].map(place).to_numpy(),
                name=look.label,
                orientation="h",
                xaxis=axis,
                marker={"color": look.colour, "line": {"width": 0}, "pattern": {"shape": shape, "fillmode": "overlay"}},
                text=mine["layer"].str.removesuffix(".weight").tolist(),
                textposition="none",
                customdata=mine[["kept", "total", "alive"]].to_numpy(),
                hovertemplate=markup.hover(
                    markup.bold("%{text}"),
                    f"{markup.literal(look.label)} keeps %{{x:.2f}} %",
                    "%{customdata[0]:,} of %{customdata[1]:,}",
                    "alive %{customdata[2]:,}",
                ),
            )
        )
    layer_axes(figure, names, None)
    scale = {"tickvals": [0, 50, 100], "ticksuffix": " %", "showgrid": True, "showline": True}
    figure.update_layout(
        xaxis={**scale, "range": [103, 0], "domain": [0, 0.5], "tickvals": [50, 100]},
        xaxis2={**scale, "range": [0, 103], "domain": [0.5, 1], "anchor": "y", "title": {"text": "kept, %"}},
        bargap=0.25,
        margin_t=88 + 15 * (len(a.label) + len(b.label) > MOST_BESIDE),
    )
    is_tight = len(a.label) + len(b.label) > MOST_BESIDE
    for look, x, anchor, lift in ((a, 0, "left", 15 * is_tight), (b, 1, "right", 0)):
        mark = {"yshift": lift, "text": markup.bold(look.label), "font": {"color": look.colour, "size": 13}, "showarrow": False}
        figure.add_annotation(x=x, y=1, xref="paper", yref="paper", xanchor=anchor, yanchor="bottom", **mark)
    return figure
