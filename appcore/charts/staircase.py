"""The staircase figure: planned sparsity, and sparsity counted at the prune points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore import markup
from appcore.config import RunConfig
from appcore.planning.plan import plan

from . import style


def planned(config: RunConfig) -> pd.DataFrame:
    """The staircase of a plan as a table: megabatch, density, and whether it begins with a prune point."""
    rows: dict[int, dict[str, Any]] = {}
    for segment in plan(config):
        row = rows.setdefault(segment.megabatch, {"megabatch": segment.megabatch, "density": segment.density, "prunes": False})
        row["density"] = segment.density
        row["prunes"] = row["prunes"] or segment.kind == "prune"
    return pd.DataFrame(list(rows.values()), columns=["megabatch", "density", "prunes"])


def staircase(
    planned: pd.DataFrame,
    measured: pd.DataFrame | None = None,
    *,
    chosen: int | None = None,
    colour: str = style.GREY,
    revision: str = "",
) -> go.Figure:
    """Requested sparsity at each megabatch as steps, and counted sparsity at prune points so far as dots.

    `planned` has columns megabatch (from 0), density, prunes (bool: a prune point opens this megabatch); `measured`: prunes of the store.
    """
    figure = style.figure(
        "How far is it pruned, and when?",
        _plan_subtitle(planned),
        x="megabatch",
        y="sparsity, % of weights removed",
        height=320,
        revision=revision,
        legend=measured is not None,
    )
    megabatch = planned["megabatch"].to_numpy()
    sparsity = 100 * (1 - planned["density"].to_numpy(dtype=float))
    edges = np.append(megabatch + 0.5, megabatch[-1] + 1.5) if len(megabatch) else np.array([])
    steps = np.append(sparsity, sparsity[-1:])
    figure.add_trace(
        go.Scatter(
            x=edges,
            y=steps,
            name="planned",
            mode="lines",
            line={"shape": "hv", "width": 2.5, "color": colour},
            fill="tozeroy",
            fillcolor=_faint(colour),
            hoverinfo="skip",
        )
    )
    _add_prune_points(figure, planned, sparsity, colour)
    if measured is not None and len(measured):
        _add_measured(figure, measured)
    count = max(len(planned), 1)
    if chosen is not None:
        figure.add_vrect(chosen + 0.5, chosen + 1.5, fillcolor=style.GREY, opacity=0.16, line_width=0, layer="below")
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(range=[0.5, count + 0.5], dtick=1 if count <= 20 else None, showgrid=False)
    figure.update_yaxes(range=[0, _top(sparsity)], ticksuffix=" %")
    return figure


def _top(sparsity: np.ndarray) -> float:
    """The upper end of the axis, with room for a label above the highest step."""
    return max(10.0, 1.2 * float(sparsity.max(initial=0)))


def _plan_subtitle(planned: pd.DataFrame) -> str:
    points = int(planned["prunes"].sum())
    if not points:
        return "never pruned: all weights stay"
    kept = 100 * float(planned["density"].iloc[-1])
    return f"{points} prune {'point' if points == 1 else 'points'}; {kept:.1f} % of the weights are kept at the end"


def _add_prune_points(figure: go.Figure, planned: pd.DataFrame, sparsity: np.ndarray, colour: str) -> None:
    at = planned["prunes"].to_numpy(dtype=bool)
    texts = [f"{value:.0f} %" if at.sum() <= 12 else "" for value in sparsity[at]]
    figure.add_trace(
        go.Scatter(
            x=planned["megabatch"].to_numpy()[at] + 1,
            y=sparsity[at] + 0.035 * _top(sparsity),
            mode="text",
            text=texts,
            textposition="top center",
            customdata=np.column_stack([sparsity[at], 1 - sparsity[at] / 100]),
            showlegend=False,
            cliponaxis=False,
            hoverlabel={"namelength": 0},
            hovertemplate=markup.BREAK.join(
                ("pruned before megabatch %{x}", "removed %{customdata[0]:.2f} %", "density %{customdata[1]:.4f}")
            ),
        )
    )


def _add_measured(figure: go.Figure, measured: pd.DataFrame) -> None:
    for column, name, symbol, colour in (
        ("density_mask", "counted", "circle", "#009E73"),
        ("density_alive", "not alive", "circle-open", style.WARNING),
    ):
        figure.add_trace(
            go.Scatter(
                x=measured["megabatch"].to_numpy() + 1,
                y=100 * (1 - measured[column].to_numpy(dtype=float)),
                name=name,
                mode="markers",
                marker={"symbol": symbol, "size": 9 if symbol == "circle" else 13, "color": colour, "line": {"width": 2, "color": colour}},
                hovertemplate=markup.hover(name, "megabatch %{x}: %{y:.3f} %"),
            )
        )


def _faint(colour: str, share: float = 0.12) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"
