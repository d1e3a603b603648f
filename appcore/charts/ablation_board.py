"""The board of an ablation: every run as a mark in its cell, by state; with helpers for figures over two settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .. import markup
from ..analysis import ablation_results
from ..analysis.measures import MEASURES, lower
from ..names import display
from . import style

# state: (colour, symbol); the symbol is readable without colours
STATES = {
    "done": ("#009E73", "circle"),
    "running": ("#0072B2", "triangle-right"),
    "paused": ("#A67C00", "line-ns-open"),
    "queued": (style.GREY, "circle-open"),
    "failed": ("#D55E00", "x"),
    "stopped": (style.GREY, "square"),
    "lost": ("#B8639A", "diamond-open"),
    "missing": (style.GREY, "circle-dot"),
}
Order = Mapping[str, Sequence[str]]


def board(frame: pd.DataFrame, down: str, across: str, order: Order, labels: Mapping[str, str], *, revision: str = "") -> go.Figure:
    """Every run as a mark in its cell, by state; runs of one cell (seeds, further settings) are side by side."""
    counts = frame["state"].value_counts()
    subtitle = " · ".join(f"{count} {state}" for state, count in counts.items())
    rows, columns = shown_values(frame, down, order), shown_values(frame, across, order)
    height = 150 + max(44, _row_height(frame, down, across)) * len(rows)
    figure = style.figure("How far is it?", subtitle, x=labels[across], y=labels[down], height=height, revision=revision)
    spots = _spots(frame, rows, columns, down, across)
    for state, (colour, symbol) in STATES.items():
        part = spots[spots["state"] == state]
        if len(part):
            figure.add_trace(
                go.Scatter(
                    x=part["x"],
                    y=part["y"],
                    mode="markers",
                    name=state,
                    text=part["hover"],
                    hovertemplate=markup.hover("%{text}"),
                    marker={"symbol": symbol, "size": 15, "color": colour, "line": {"width": 2, "color": colour}},
                )
            )
    figure.update_layout(hovermode="closest")
    return grid_axes(figure, rows, columns)


def shown_values(frame: pd.DataFrame, name: str, order: Order) -> list[str]:
    found = [value for value in order.get(name, []) if (frame[name] == value).any()] if name in frame else []
    return [*found, ablation_results.ANY] if name not in frame or (frame[name] == ablation_results.ANY).any() else found


def _row_height(frame: pd.DataFrame, down: str, across: str) -> int:
    names = [name for name in (down, across) if name in frame]
    most = int(frame.groupby(names).size().max()) if names and len(frame) else 1
    return 26 * math.ceil(math.sqrt(most) / 1.4) + 12


def _spots(frame: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], down: str, across: str) -> pd.DataFrame:
    """Positions of the marks: those of one cell in lines from left to right."""
    values = frame.reset_index(drop=True)
    row = [rows.index(value) for value in _column(values, down)]
    column = [columns.index(value) for value in _column(values, across)]
    places = pd.DataFrame({"row": row, "column": column})
    rank = places.groupby(["row", "column"]).cumcount()
    size = places.groupby(["row", "column"])["row"].transform("size")
    wide = np.ceil(np.sqrt(size * 2)).clip(lower=1)
    lines = np.ceil(size / wide)
    step_x, step_y = 0.8 / wide.clip(lower=5), 0.8 / lines.clip(lower=2)
    x = places["column"] + (rank % wide - (np.minimum(wide, size) - 1) / 2) * step_x
    y = places["row"] + (rank // wide - (lines - 1) / 2) * step_y
    axes = list(values.columns[: values.columns.get_loc("run_id")])
    return values.assign(x=x, y=y, hover=[_hover(one, axes) for one in values.to_dict("records")])


def _hover(row: Mapping[str, Any], axes: Sequence[str]) -> str:
    lines = [f"{name.replace('_', ' ')}: {display(row[name])}" for name in axes]
    about = MEASURES["test_accuracy"]
    result = f", {lower(about.label)} {about.text(row[about.name])} {about.unit}"
    lines.append(markup.bold(row["state"]) + (result if row["state"] == "done" else ""))
    lines += [row["error"][:160]] if row["state"] == "failed" and row["error"] else []
    return markup.BREAK.join(lines)


def _column(frame: pd.DataFrame, name: str) -> list[str]:
    return frame[name].tolist() if name in frame else [ablation_results.ANY] * len(frame)


def grid_axes(figure: go.Figure, rows: Sequence[str], columns: Sequence[str]) -> go.Figure:
    common = {"showgrid": False, "zeroline": False, "ticks": "", "minor": {"showgrid": True, "tick0": 0.5, "dtick": 1}}
    figure.update_xaxes(
        range=[-0.5, len(columns) - 0.5], tickvals=list(range(len(columns))), ticktext=[short(c) for c in columns], **common
    )
    figure.update_yaxes(range=[len(rows) - 0.5, -0.5], tickvals=list(range(len(rows))), ticktext=[short(r) for r in rows], **common)
    return figure


def short(value: str) -> str:
    shown = display(value)
    return shown if len(shown) <= 22 else f"{shown[:21]}…"
