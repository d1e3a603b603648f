"""A run's time by phase."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from .. import markup
from ..analysis.measures import MEASURES
from . import style

PHASES = {
    "load": "loading data, building",
    "score": "scoring and pruning",
    "train": "training steps",
    "validate": "validation",
    "test": "test",
    "measure": "counting alive weights",
    "checkpoint": "checkpoints and masks",
    "store": "events to the store",
}


def profile(phase_seconds: Mapping[str, float], counted: float | None = None, *, colour: str = style.GREY, revision: str = "") -> go.Figure:
    """Seconds of each phase as bars, with their share of all. Phases without a display name come last, under their own names.

    `counted`: the time of the run as it is counted elsewhere, which leaves out loading and saving.
    """
    names = [*(name for name in PHASES if name in phase_seconds), *(name for name in phase_seconds if name not in PHASES)]
    seconds = [phase_seconds[name] for name in names]
    whole = sum(seconds) or 1.0
    time, said = MEASURES["seconds"].title, f"{whole:.3g} s in all, measured"
    if counted is not None:
        said = f"{whole:.3g} s with loading and saving, {counted:.3g} s without: the time of the run"
    figure = style.figure("Where did the time go?", said, x=time, y="phase", height=320, revision=revision, legend=False)
    figure.add_trace(
        go.Bar(
            y=[PHASES.get(name, name) for name in names],
            x=seconds,
            orientation="h",
            marker={"color": colour},
            text=[f" {100 * value / whole:.1f} %" for value in seconds],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=markup.hover("%{y}", "%{x:.3g} s"),
        )
    )
    figure.update_layout(hovermode="closest", bargap=0.3)
    figure.update_xaxes(range=[0, 1.18 * max(seconds, default=1.0)])
    figure.update_yaxes(showgrid=False, autorange="reversed", title_text="")
    return figure
