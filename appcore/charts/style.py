"""The common style of all figures: a template for light and dark, colours and scales, and an empty figure to start from.

Colours of data are readable on both backgrounds (contrast of at least 3), so a figure does not know the theme; only the template does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from .. import plugin_styles

LEGEND_ROOM = 26  # pixels above the plot
LOW, TALL = 320, 704  # heights: of a small figure; of one next to two ordinary figures
ORDINARY = 340
COMPARED = 384  # of a figure of several runs: 220 for the plot, even below a caption of three lines
MAX_POINTS = 1000  # points of a curve, more than it has pixels; the full history stays in the store
FONT = '"Source Sans", "Source Sans Pro", "Helvetica Neue", Arial, sans-serif'
GREY = "#7A8594"
WARNING = "#D55E00"

SEQUENTIAL = ["#440154", "#482878", "#3E4989", "#31688E", "#26828E", "#1F9E89", "#35B779", "#6DCD59", "#B4DE2C", "#FDE725"]  # viridis
DIVERGING = [
    "#8C3A00",
    "#B85410",
    "#D97A3A",
    "#EBA97A",
    "#F6D9C4",
    "#CFE1F0",
    "#92BFE0",
    "#4F98CB",
    "#1C73AE",
    "#0A4A7A",
]  # vermillion to blue
_TOKENS = {  # text, muted text, grid, axis line, hover background
    False: ("#1B2430", "#566172", "#E6E9EE", "#B9C1CC", "#FFFFFF"),
    True: ("#E6E9EE", "#9BA6B5", "#27303B", "#4A5666", "#1B2129"),
}


def template(dark: bool) -> go.layout.Template:
    """The template of every figure for one theme; backgrounds are left to the page."""
    text, muted, grid, line, hover = _TOKENS[dark]
    axis = {
        "gridcolor": grid,
        "linecolor": line,
        "zerolinecolor": line,
        "tickcolor": line,
        "tickfont": {"color": muted, "size": 12},
        "title": {"font": {"color": muted, "size": 13}, "standoff": 8},
        "automargin": True,
        "zeroline": False,
        "minor": {"gridcolor": grid},
    }
    layout = go.Layout(
        font={"family": FONT, "size": 13, "color": text},
        title={"font": {"size": 17, "color": text, "weight": 600}, "subtitle": {"font": {"size": 13, "color": muted}}},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=[*plugin_styles.colours().values()],
        colorscale={"sequential": scale(SEQUENTIAL), "diverging": scale(DIVERGING)},
        xaxis=axis,
        yaxis=axis,
        hoverlabel={"bgcolor": hover, "bordercolor": line, "font": {"color": text, "size": 13, "family": FONT}, "align": "left"},
        legend={"font": {"color": text, "size": 13}, "bgcolor": "rgba(0,0,0,0)"},
        annotationdefaults={"font": {"color": muted, "size": 12}},
        shapedefaults={"line": {"color": line}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": muted, "activecolor": text},
    )
    colorbar = {"outlinewidth": 0, "tickfont": {"color": muted, "size": 12}, "title": {"font": {"color": muted, "size": 13}}}
    return go.layout.Template(layout=layout, data={"heatmap": [go.Heatmap(colorbar=colorbar)]})


def scale(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Evenly spaced colours as a plotly colour scale."""
    return [(position / (len(colours) - 1), colour) for position, colour in enumerate(colours)]


def ink_on(colour: str) -> str:
    """White or dark text colour, whichever is readable on a colour (relative luminance as in WCAG)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return "#FFFFFF" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.2 else "#12161C"


def figure(
    title: str,
    subtitle: str,
    *,
    x: str,
    y: str,
    height: int = ORDINARY,
    revision: str = "",
    legend: bool = True,
    xaxis: dict[str, Any] | None = None,
) -> go.Figure:
    """An empty figure in the common style. `title` states the question, `subtitle` says how to read the answer.

    `revision` (the run ids) keeps zoom, hidden legend entries and selections while the data grow. `xaxis`: further settings of that axis.
    """
    layout = {  # in one go: the same through update_layout takes ten times as long
        "template": {},  # the template of the theme is set where the figure is shown
        "title": {
            "text": title,
            "subtitle": {"text": subtitle},
            "x": 0,
            "xref": "container",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 6},
        },
        "height": height,
        "margin": {"l": 8, "r": 14, "t": 66 + LEGEND_ROOM * legend, "b": 8},
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "itemwidth": 34},
        "uirevision": revision or "fixed",
        "hovermode": "x unified",
        "dragmode": "zoom",
        "xaxis": {"title": {"text": x}, "showline": True, **(xaxis or {})},
        "yaxis": {"title": {"text": y}, "showline": False},
    }
    return go.Figure(layout=layout)


def thin(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """The columns at no more than MAX_POINTS evenly spaced rows, first and last included; float64 becomes float32 (half the payload)."""
    length = len(columns[0])
    if length > MAX_POINTS:
        places = np.unique(np.linspace(0, length - 1, MAX_POINTS).astype(int))
        columns = tuple(column[places] for column in columns)
    return tuple(column.astype(np.float32) if column.dtype == np.float64 else column for column in columns)


def short_layer(name: str) -> str:
    """A layer's name for an axis: layer1.0.conv2.weight -> 1.0 conv2; the hover shows the full name."""
    parts = [part for part in name.removesuffix(".weight").split(".") if part not in {"features", "module", "model"}]
    parts = [part.removeprefix("layer") if part.startswith("layer") and part[5:].isdigit() else part for part in parts]
    numbers = [part for part in parts if part.isdigit()]
    words = [{"downsample": "down", "shortcut": "down", "classifier": "fc"}.get(part, part) for part in parts if not part.isdigit()]
    if "down" in words:
        return " ".join((".".join(numbers[:2]), "down")).strip()
    return " ".join(filter(None, (".".join(numbers), " ".join(words))))
