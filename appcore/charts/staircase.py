"""The staircase figure: planned sparsity, and sparsity counted at the prune points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore import markup
from appcore.config import RunConfig
from appcore.names import counted
from appcore.planning import stages
from appcore.planning.plan import plan

from . import style
from .axes import stage_axis


def planned(config: RunConfig) -> pd.DataFrame:
    """The staircase of a plan as a table, a row for each stage: megabatch, round, density, and whether a prune point opens it."""
    segments = plan(config)
    known = stages.of_plan(segments)
    rows = [{"megabatch": megabatch, "round": number, "density": 1.0, "prunes": False} for megabatch, number in known.places]
    for segment, place in zip(segments, known.of_segments, strict=True):
        rows[place]["density"] = segment.density
        rows[place]["prunes"] |= segment.kind == "prune"
    return pd.DataFrame(rows, columns=["megabatch", "round", "density", "prunes"])


def staircase(
    planned: pd.DataFrame,
    measured: pd.DataFrame | None = None,
    *,
    chosen: int | None = None,
    colour: str = style.GREY,
    revision: str = "",
) -> go.Figure:
    """Requested sparsity at each stage as steps, and counted sparsity at prune points so far as dots.

    `planned` as the function of this name gives it; `measured`: prunes of the store, with the `stage` (from 0) of each.
    """
    word, labels = stages.named(list(zip(planned["megabatch"], planned["round"])))
    figure = style.figure(
        "How far is it pruned, and when?",
        _plan_subtitle(planned, word),
        x=word,
        y="sparsity, % of weights removed",
        height=320,
        revision=revision,
        legend=measured is not None,
    )
    sparsity = 100 * (1 - planned["density"].to_numpy(dtype=float))
    edges, steps = np.arange(len(planned) + 1) + 0.5, np.append(sparsity, sparsity[-1:])
    figure.add_trace(
        go.Scatter(
            x=edges if len(planned) else [],
            y=steps,
            name="planned",
            mode="lines",
            line={"shape": "hv", "width": 2.5, "color": colour},
            fill="tozeroy",
            fillcolor=_faint(colour),
            hoverinfo="skip",
        )
    )
    _add_prune_points(figure, planned, sparsity, [f"{word} {label}" for label in labels])
    if measured is not None and len(measured):
        _add_measured(figure, measured, [f"{word} {label}" for label in labels])
    if chosen is not None:
        figure.add_vrect(chosen + 0.5, chosen + 1.5, fillcolor=style.GREY, opacity=0.16, line_width=0, layer="below")
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(range=[0, _top(sparsity)], ticksuffix=" %")
    return stage_axis(figure, labels)


def _top(sparsity: np.ndarray) -> float:
    """The upper end of the axis, with room for a label above the highest step."""
    return max(10.0, 1.2 * float(sparsity.max(initial=0)))


def _plan_subtitle(planned: pd.DataFrame, word: str) -> str:
    points = int(planned["prunes"].sum())
    if not points:
        return "never pruned: all weights stay"
    kept = 100 * float(planned["density"].iloc[-1])
    first = "" if word == "megabatch" else f"{counted(len(planned), 'training')}, the first of all weights; "
    return f"{first}{counted(points, 'prune point')}; {kept:.1f} % of the weights are kept at the end"


def _add_prune_points(figure: go.Figure, planned: pd.DataFrame, sparsity: np.ndarray, names: list[str]) -> None:
    at = np.flatnonzero(planned["prunes"].to_numpy(dtype=bool))
    figure.add_trace(
        go.Scatter(
            x=at + 1,
            y=sparsity[at] + 0.035 * _top(sparsity),
            mode="text",
            text=[f"{value:.0f} %" if len(at) <= 12 else "" for value in sparsity[at]],
            textposition="top center",
            customdata=[[f"{value:.2f}", f"{1 - value / 100:.4f}", names[place]] for place, value in zip(at, sparsity[at])],
            showlegend=False,
            cliponaxis=False,
            hoverlabel={"namelength": 0},
            hovertemplate=markup.BREAK.join(("pruned before %{customdata[2]}", "removed %{customdata[0]} %", "density %{customdata[1]}")),
        )
    )


def _add_measured(figure: go.Figure, measured: pd.DataFrame, names: list[str]) -> None:
    """What was counted; weights that are kept and dead are marked where there are any, so that a healthy run wears no warning."""
    dead = measured[measured["density_alive"] < measured["density_mask"]]
    for rows, column, name, symbol, colour in (
        (measured, "density_mask", "counted", "circle", "#009E73"),
        (dead, "density_alive", "removed, or kept on no path", "circle-open", style.WARNING),
    ):
        if not len(rows):
            continue
        places = rows["stage"].to_numpy(dtype=int)
        figure.add_trace(
            go.Scatter(
                x=places + 1,
                y=100 * (1 - rows[column].to_numpy(dtype=float)),
                name=name,
                mode="markers",
                marker={"symbol": symbol, "size": 9 if symbol == "circle" else 13, "color": colour, "line": {"width": 2, "color": colour}},
                customdata=[names[place] for place in places],
                hovertemplate=markup.hover(name, "%{customdata}: %{y:.3f} %"),
            )
        )


def _faint(colour: str, share: float = 0.12) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"
