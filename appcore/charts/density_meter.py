"""The density truth meter: requested versus counted densities, with a mark where they disagree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from .. import markup
from ..analysis.measures import MEASURES
from ..quotas import WEIGHT
from . import style

_ROWS = {"requested": "density_requested", "in the mask": "density_mask", "in forward": "density_effective", "alive": "density_alive"}


def _apart(difference: float) -> str:
    return f"{100 * abs(difference):.2f}\u00a0points {'more' if difference > 0 else 'less'}"


def disagreements(point: Mapping[str, float], total: int, granularity: str = WEIGHT) -> list[str]:
    """Sentences on densities of a prune point that differ by more than rounding to whole weights; empty when all agree."""
    rounding = _rounding(total)
    because = f" ({granularity} keeps no more)" if ":" in granularity else f" (groups stay whole: {granularity})"
    why = "" if granularity == WEIGHT else because
    mask, found = point["density_mask"], []
    if abs(mask - point["density_requested"]) > rounding:
        found.append(f"the mask keeps {_apart(mask - point['density_requested'])} than was requested{why}")
    if abs(point["density_effective"] - mask) > rounding:
        found.append(f"the tensors used in forward have {_apart(point['density_effective'] - mask)} than the mask keeps")
    dead = round((mask - point["density_alive"]) * total)
    if dead > 0:
        found.append(f"{dead:,} kept {'weight is' if dead == 1 else 'weights are'} on no path from input to output")
    return found


def truth_meter(
    point: Mapping[str, float] | None,
    total: int,
    *,
    colour: str = style.GREY,
    revision: str = "",
    granularity: str = WEIGHT,
    flops: Mapping[str, float] | None = None,
) -> go.Figure:
    """Requested, mask, effective and alive density at one time as bars on one scale; a bar that disagrees is marked. `flops` {requested,
    left}: where FLOPs were asked for instead, their shares."""
    problems = disagreements(point, total, granularity) if point is not None else []
    agree = "all four agree to the last weight" if point is not None else "nothing counted yet"
    if flops is not None:  # the density is then what came out
        agree = f"{100 * flops['left']:.2f} % of the FLOPs are left; {100 * flops['requested']:.2f} % were asked for at most"
        problems = [*problems, agree] if problems else []
    figure = style.figure(
        "Is the density what was asked for?",
        _wrapped(markup.bold("⚠ they disagree") + ": " + "; ".join(problems)) if problems else agree,
        x="density, % of prunable weights kept",
        y="",
        height=style.LOW,
        revision=revision,
        legend=False,
    )
    if point is not None:
        _add_bars(figure, point, total, colour)
    figure.update_layout(hovermode="closest", margin_t=86 if problems else 66, bargap=0.3)
    figure.update_xaxes(range=[0, 101], tickvals=[0, 20, 40, 60, 80, 100], ticksuffix=" %")
    figure.update_yaxes(range=[3.5, -0.5], tickvals=[0, 1, 2, 3], ticktext=list(_ROWS), showgrid=False, ticks="", title_text=None)
    return figure


def _add_bars(figure: go.Figure, point: Mapping[str, float], total: int, colour: str) -> None:
    requested, mask, forward, alive = (point[column] for column in _ROWS.values())
    values = np.array([requested, mask, forward, alive])
    off = np.abs(values - [requested, requested, mask, mask]) > _rounding(total)
    figure.add_trace(
        go.Bar(
            x=100 * values,
            y=[0, 1, 2, 3],
            orientation="h",
            width=0.52,
            marker={
                "color": [style.GREY, colour, colour, style.WARNING if off[3] else colour],
                "line": {"width": 0},
                "pattern": {"shape": ["/" if bad else "" for bad in off], "solidity": 0.35},
            },
            text=[f"{'⚠ ' if bad else ''}{100 * value:.2f} %" for value, bad in zip(values, off)],
            textposition=["outside" if bad or value < 0.2 else "inside" for value, bad in zip(values, off)],
            insidetextanchor="end",
            insidetextfont={"color": "#FFFFFF"},
            cliponaxis=False,
            customdata=[[MEASURES[name].help, f"{round(value * total):,} of {total:,}"] for value, name in zip(values, _ROWS.values())],
            hovertemplate=markup.hover("%{customdata[0]}", "%{customdata[1]} weights (%{x:.3f} %)"),
            showlegend=False,
        )
    )
    figure.add_vline(x=100 * requested, line={"width": 1.5, "dash": "dot", "color": style.GREY})


def _rounding(total: int) -> float:
    """Half a weight, as a density."""
    return 0.5 / max(total, 1) + 1e-9


def _wrapped(text: str, width: int = 62) -> str:
    lines, line = [], ""
    for piece in text.split(" "):
        if len(line) + len(piece) > width and line:
            lines.append(line)
            line = ""
        line = f"{line} {piece}".strip()
    return markup.BREAK.join([*lines, line])
