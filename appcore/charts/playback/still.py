"""Axes that keep still while a figure fills: those of the figure of everything, for the figure of a part of it."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

_AXIS = ("type", "range", "tickvals", "ticktext", "tickmode", "dtick", "autorange")
_COLOURS = ("zmin", "zmax", "zmid")


def frame_of(figure: go.Figure) -> dict[str, Any]:
    """What holds a figure still: its height, its axes, and the scales of its colours."""
    layout = figure.layout.to_plotly_json()
    axes = {name: {key: layout[name][key] for key in _AXIS if key in layout[name]} for name in layout if name[1:5] == "axis"}
    scales = [{key: trace[key] for key in _COLOURS if trace[key] is not None} for trace in figure.data if trace.type == "heatmap"]
    return {"height": layout.get("height"), "axes": axes, "scales": scales}


def keep(figure: go.Figure, frame: dict[str, Any]) -> go.Figure:
    """The figure in the frame of another one of its kind."""
    figure.update_layout(height=frame["height"], **frame["axes"])
    for trace, scale in zip([trace for trace in figure.data if trace.type == "heatmap"], frame["scales"]):
        trace.update(scale)
    return figure
