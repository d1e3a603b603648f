"""The staircase figure: planned sparsity, and sparsity counted at the prune points."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from appcore import markup
from appcore.config import RunConfig
from appcore.names import counted
from appcore.planning import stages
from appcore.planning.plan import plan
from appcore.quotas import on_the_way

from . import style
from .axes import stage_axis

WEIGHTS, FLOPS, WAY = "weights", "FLOPs", "way"  # what the steps of a plan are shares of
_ENDS = {
    WEIGHTS: "{:.1f} % of the weights are kept at the end",
    FLOPS: "{:.1f} % of the FLOPs are left at the end",
    WAY: "the last one reaches the densities of layers",
}
_STEPS = {WEIGHTS: "planned", FLOPS: "planned, of the FLOPs", WAY: "planned, share of the way"}
_AXES = {WEIGHTS: "sparsity, % of weights removed", FLOPS: "% removed", WAY: "% of the way, or removed"}


def planned(config: RunConfig) -> pd.DataFrame:
    """The staircase of a plan as a table, a row for each stage: megabatch, round, density, whether a prune point opens it, and what the
    density is a share `of`: weights, FLOPs, or the way to the densities of layers, of which it is what is left."""
    segments = plan(config)
    known = stages.of_plan(segments)
    rows = [{"megabatch": megabatch, "round": number, "density": 1.0, "prunes": False} for megabatch, number in known.places]
    for segment, place in zip(segments, known.of_segments, strict=True):
        rows[place]["density"] = segment.density
        rows[place]["prunes"] |= segment.kind == "prune"
    found = pd.DataFrame(rows, columns=["megabatch", "round", "density", "prunes"]).assign(of=WEIGHTS)
    if config.counts_weights:
        return found
    if not config.densities:
        return found.assign(of=FLOPS)
    end, last = {"layer": 0.5}, segments[-1].density  # of a layer that is halved in one round, log2 counts the rounds
    return found.assign(of=WAY, density=[1 + math.log2(on_the_way(end, density, last)["layer"]) for density in found["density"]])


def staircase(
    planned: pd.DataFrame,
    measured: pd.DataFrame | None = None,
    *,
    chosen: int | None = None,
    colour: str = style.GREY,
    revision: str = "",
) -> go.Figure:
    """Requested sparsity at each stage as steps, or what was asked for in its place, and counted sparsity at prune points so far as dots.

    `planned` as the function of this name gives it; `measured`: prunes of the store, with the `stage` (from 0) of each.
    """
    of = str(planned["of"].iloc[0]) if "of" in planned and len(planned) else WEIGHTS
    word, labels = stages.named(list(zip(planned["megabatch"], planned["round"])))
    figure = style.figure(
        "How far is it pruned, and when?",
        _plan_subtitle(planned, word, of),
        x=word,
        y=_AXES[of],
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
            name=_STEPS[of],
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
    counted_too = sparsity if measured is None else np.append(sparsity, 100 * (1 - measured["density_mask"].to_numpy(dtype=float)))
    figure.update_yaxes(range=[0, _top(counted_too)], ticksuffix=" %")
    return stage_axis(figure, labels)


def _top(sparsity: np.ndarray) -> float:
    """The upper end of the axis, with room for a label above the highest step or mark."""
    return max(10.0, 1.2 * float(sparsity.max(initial=0)))


def _plan_subtitle(planned: pd.DataFrame, word: str, of: str) -> str:
    points = int(planned["prunes"].sum())
    if not points:
        return "never pruned: all weights stay"
    end = _ENDS[of].format(100 * float(planned["density"].iloc[-1]))
    first = "" if word == "megabatch" else f"{counted(len(planned), 'training')}, the first of all weights; "
    return f"{first}{counted(points, 'prune point')}; {end}"


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
