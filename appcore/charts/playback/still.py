"""Axes that keep still while a figure fills: those of the figure of everything, for the figure of a part of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

_AXIS = ("type", "range", "tickvals", "ticktext", "tickmode", "dtick", "autorange")
_MAP = ("zmin", "zmax", "zmid", "x", "y")


def frame_of(figure: go.Figure) -> dict[str, Any]:
    """What holds a figure still: its height, its axes, and of its heatmaps the cells and the scale of their colours."""
    layout = figure.layout.to_plotly_json()
    axes = {name: {key: layout[name][key] for key in _AXIS if key in layout[name]} for name in layout if name[1:5] == "axis"}
    maps = [{key: trace[key] for key in _MAP if trace[key] is not None} for trace in figure.data if trace.type == "heatmap"]
    return {"height": layout.get("height"), "axes": axes, "maps": maps}


def keep(figure: go.Figure, frame: dict[str, Any]) -> go.Figure:
    """The figure in the frame of another one of its kind."""
    figure.update_layout(height=frame["height"], **frame["axes"])
    for trace, cells in zip([trace for trace in figure.data if trace.type == "heatmap"], frame["maps"]):
        if not len(trace.z):  # the scale of its colours stands there from the start
            trace.z = np.full((len(cells["y"]), len(cells["x"])), np.nan)
        trace.update(cells)
    return figure
