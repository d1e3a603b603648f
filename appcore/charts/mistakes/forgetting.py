"""Figures of forgetting: accuracy on the images of each megabatch, or of each class, at the end of it and of later ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ... import markup
from ...analysis.forgetting import measured
from ...analysis.measures import MEASURES, lower
from .. import style

_WRITTEN = 12  # megabatches at most whose numbers fit into the cells
_NAMED = 40  # characters of a class's name


def forgetting(found: pd.DataFrame, title: str, *, tested: bool = False, revision: str = "") -> go.Figure:
    """A row is the megabatch that brought the images, a column the end at which they were tried; see `on_parts` of analysis/forgetting.

    `tested`: they are test images of the classes that the megabatch brought, not training images.
    """
    images = int(found["images"].max()) if len(found) else 0
    of = f"up to {images} test images of the classes of each megabatch" if tested else f"up to {images} training images of each megabatch"
    figure = style.figure(
        "Does it forget what it learnt earlier?",
        f"{markup.literal(title)} · {of} · a row that darkens is forgotten",
        x="at the end of megabatch",
        y="images of megabatch",
        height=420,
        revision=revision,
        legend=False,
    )
    parts = sorted(found["part"].unique())
    _cells(figure, found, "part", parts, [f"{part + 1}" for part in parts], "images of megabatch %{y}")
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def by_class(found: pd.DataFrame, title: str, *, revision: str = "") -> go.Figure:
    """A row is a class, in the order in which classes come, a column the end at which its test images were tried; see `on_classes`."""
    figure = style.figure(
        "Which classes does it know?",
        f"{markup.literal(title)} · test images of each class that are right · unknown until its megabatch comes",
        x="at the end of megabatch",
        y="class (the megabatch that brings it)",
        height=min(900, 160 + 26 * found["name"].nunique()),
        revision=revision,
        legend=False,
    )
    first = found.drop_duplicates("name")
    labels = [f"{markup.literal(str(name)[:_NAMED])} ({part + 1})" for name, part in zip(first["name"], first["part"])]
    _cells(figure, found, "name", list(first["name"]), labels, "%{y}")
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def _cells(figure: go.Figure, found: pd.DataFrame, row: str, rows: list, labels: list[str], what: str) -> None:
    """A cell for each row and end: accuracy in percent."""
    ends = sorted(found["megabatch"].unique())
    cells = found.pivot(index=row, columns="megabatch", values="accuracy").reindex(index=rows, columns=ends)
    shares = 100 * cells.to_numpy(np.float32)
    figure.add_trace(
        go.Heatmap(
            x=[f"{end + 1}" for end in ends],
            y=labels,
            z=shares,
            zmin=0 if row == "name" else None,
            zmax=100,
            colorscale=style.scale(style.SEQUENTIAL),
            xgap=1,
            ygap=1,
            texttemplate="%{z:.0f}" if len(ends) <= _WRITTEN else None,
            hoverongaps=False,
            hovertemplate=markup.hover(f"{what}, at the end of megabatch %{{x}}: %{{z:.1f}} % right"),
            colorbar={"title": {"text": "right, %", "side": "right"}, "thickness": 10, "outlinewidth": 0},
        )
    )
    figure.update_xaxes(type="category", showgrid=False)


def words(found: pd.DataFrame) -> str:
    """How much was forgotten by the last end: of the first megabatch, and on average; empty where there is only one end."""
    mine = found[found["part"] == found["part"].min()].sort_values("megabatch") if len(found) else found
    if len(mine) < 2:
        return ""
    first, last = mine["accuracy"].iloc[0], mine["accuracy"].iloc[-1]
    change = 100 * (last - first)
    kind = "less" if change < 0 else "more"
    return (
        f"Of the images of megabatch {int(mine['part'].iloc[0]) + 1}, {100 * first:.1f}\u00a0% were right when just learnt, and "
        f"{100 * last:.1f}\u00a0% at the end of megabatch {int(mine['megabatch'].iloc[-1]) + 1}: {abs(change):.1f} points {kind}."
        + _measures(found)
    )


def _measures(found: pd.DataFrame) -> str:
    """Average forgetting and backward transfer, in a sentence."""
    values = measured(found)
    if values is None:
        return ""
    parts = [
        f"{lower(about.label) if number else about.label} {about.text(about.shown(getattr(values, about.name)))} points"
        for number, about in enumerate((MEASURES["average_forgetting"], MEASURES["backward_transfer"]))
    ]
    return f" {', '.join(parts)} over the earlier megabatches."
