"""Figure of forgetting: accuracy on the training images of each megabatch, at the end of that megabatch and of every later one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ... import markup
from .. import style

_WRITTEN = 12  # megabatches at most whose numbers fit into the cells


def forgetting(found: pd.DataFrame, title: str, *, revision: str = "") -> go.Figure:
    """A row is the megabatch that brought the images, a column the end at which they were tried; see analysis/twelve_images.forgetting."""
    images = int(found["images"].max()) if len(found) else 0
    figure = style.figure(
        "Does it forget what it learnt earlier?",
        f"{markup.literal(title)} · up to {images} training images of each megabatch · a row that darkens is forgotten",
        x="at the end of megabatch",
        y="images of megabatch",
        height=420,
        revision=revision,
        legend=False,
    )
    parts, ends = sorted(found["part"].unique()), sorted(found["megabatch"].unique())
    cells = found.pivot(index="part", columns="megabatch", values="accuracy").reindex(index=parts, columns=ends)
    shares = 100 * cells.to_numpy(np.float32)
    figure.add_trace(
        go.Heatmap(
            x=[f"{end + 1}" for end in ends],
            y=[f"{part + 1}" for part in parts],
            z=shares,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            xgap=1,
            ygap=1,
            texttemplate="%{z:.0f}" if len(ends) <= _WRITTEN else None,
            hoverongaps=False,
            hovertemplate=markup.hover("images of megabatch %{y}, at the end of megabatch %{x}: %{z:.1f} % right"),
            colorbar={"title": {"text": "right, %", "side": "right"}, "thickness": 10, "outlinewidth": 0},
        )
    )
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def words(found: pd.DataFrame) -> str:
    """How much of the first megabatch was forgotten by the last end, in a sentence; empty where there is only one end."""
    mine = found[found["part"] == found["part"].min()].sort_values("megabatch") if len(found) else found
    if len(mine) < 2:
        return ""
    first, last = mine["accuracy"].iloc[0], mine["accuracy"].iloc[-1]
    change = 100 * (last - first)
    kind = "less" if change < 0 else "more"
    return (
        f"Of the images of megabatch {int(mine['part'].iloc[0]) + 1}, {100 * first:.1f}\u00a0% were right when just learnt, and "
        f"{100 * last:.1f}\u00a0% at the end of megabatch {int(mine['megabatch'].iloc[-1]) + 1}: {abs(change):.1f} points {kind}."
    )
