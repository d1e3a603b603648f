"""What a class answered: counts of options, of places, or all curves as a band; the truth beside them once it is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ... import markup
from ...analysis import class_answers
from ...names import counted
from .. import style

_BY_SURE = (style.GREY, "#3D8FC4", "#0072B2")  # a guess, fairly sure, certain
_CLASS, _TRUTH = "#0072B2", "#D55E00"
_WIDE = 34  # letters in a line beside a bar
_PER_BAR, _PER_LINE, _AROUND, _CURVE = 42, 28, 118, 330  # pixels; a projector enlarges type more than charts


def answers(question: Mapping[str, Any], given: Sequence[Any], truth: Mapping[str, Any] | None = None) -> go.Figure:
    """The answers to a question in plain data (service/class_questions.py); with its truth, what is right is marked."""
    draw = {"choice": _choice, "order": _order, "curve": _curve}[question["kind"]]
    return draw(question, given, truth)


def _choice(question: Mapping[str, Any], given: Sequence[Any], truth: Mapping[str, Any] | None) -> go.Figure:
    options, sure = question["options"], question["sure"]
    counts = class_answers.chosen(given, len(options), len(sure))
    names = [_lines(text, is_right=truth is not None and truth["answer"] == place) for place, text in enumerate(options)]
    figure = style.figure("What the class answered", _many(given, "colour: how sure"), x="answers", y="", height=_height(names))
    for degree, name in enumerate(sure):
        hover = markup.hover(f"%{{x}} of {len(given)}, {name}")
        colour = _BY_SURE[degree % len(_BY_SURE)]
        figure.add_bar(x=counts[:, degree], y=names, orientation="h", name=name, marker={"color": colour}, hovertemplate=hover)
    totals = counts.sum(axis=1)
    text = [f" {total}" for total in totals]
    figure.add_scatter(
        x=totals, y=names, mode="text", text=text, textposition="middle right", showlegend=False, hoverinfo="skip", cliponaxis=False
    )
    figure.update_layout(barmode="stack", hovermode="closest", bargap=0.35, legend_traceorder="normal")
    figure.update_xaxes(range=[0, max(1, totals.max(initial=0)) * 1.12], tickformat="d", dtick=max(1, round(totals.max(initial=0) / 6)))
    return figure.update_yaxes(autorange="reversed", tickfont={"size": 15})


def _order(question: Mapping[str, Any], given: Sequence[Any], truth: Mapping[str, Any] | None) -> go.Figure:
    items = question["options"]
    counts = class_answers.places(given, len(items))
    rows = list(range(len(items))) if truth is None else list(truth["answer"])
    said = "each row: how many put it in which place" + ("" if truth is None else "; rows in the true order, true places framed")
    names, columns = [_lines(items[item]) for item in rows], [f"{place + 1}." for place in range(len(items))]
    height = _height(names)
    figure = style.figure("Where the class put each", _many(given, said), x="place, the highest first", y="", height=height, legend=False)
    shares = counts[rows] / max(1, len(given))
    scale = style.scale(style.SEQUENTIAL)
    hover = markup.hover("%{text} put it in place %{x}")
    figure.add_heatmap(
        z=shares,
        x=columns,
        y=names,
        zmin=0,
        zmax=1,
        colorscale=scale,
        showscale=False,
        xgap=3,
        ygap=3,
        text=counts[rows],
        hovertemplate=hover,
    )
    for row, item in enumerate(rows):
        for place in range(len(items)):
            ink = style.ink_on(style.SEQUENTIAL[min(9, int(9 * shares[row, place]))])
            figure.add_annotation(x=place, y=row, text=str(counts[item, place]), showarrow=False, font={"size": 17, "color": ink})
    if truth is not None:
        for place in range(len(items)):
            corner = {"x0": place - 0.48, "x1": place + 0.48, "y0": place - 0.47, "y1": place + 0.47}
            figure.add_shape(type="rect", line={"color": _TRUTH, "width": 4}, **corner)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(type="category", autorange="reversed", tickfont={"size": 15}, showgrid=False)


def _curve(question: Mapping[str, Any], given: Sequence[Any], truth: Mapping[str, Any] | None) -> go.Figure:
    points, unit = question["options"], question["unit"]
    figure = style.figure(
        "What the class drew", _many(given, "dark: the middle half"), x=question["x"], y=f"{question['y']}, {unit}", height=_CURVE
    )
    band = class_answers.band(given)
    if given:
        for name, edges, opacity in (("all of the class", ("lowest", "highest"), 0.22), ("the middle half", ("lower", "upper"), 0.42)):
            around = np.concatenate([band[edges[1]], band[edges[0]][::-1]])
            fill = {"fill": "toself", "fillcolor": _CLASS, "opacity": opacity, "line": {"width": 0}, "hoverinfo": "skip"}
            figure.add_scatter(x=[*points, *points[::-1]], y=around, mode="lines", name=name, **fill)
        figure.add_scatter(x=points, y=band["median"], mode="lines", name="median of the class", line={"color": _CLASS, "width": 3})
    if truth is not None:
        high, low, mean = (np.asarray(truth[name], dtype=float) for name in ("high", "low", "answer"))
        error = {"type": "data", "array": high - mean, "arrayminus": mean - low, "width": 5}
        line = {"color": _TRUTH, "width": 3}
        figure.add_scatter(x=points, y=mean, mode="lines+markers", name="measured, 95\u00a0%", line=line, marker={"size": 8}, error_y=error)
    figure.update_xaxes(type="category")
    return figure.update_yaxes(range=[question["low"], question["high"]])


def _many(given: Sequence[Any], how: str) -> str:
    return f"{counted(len(given), 'answer')} · {how}"


def _height(names: Sequence[str]) -> int:
    """Of a figure with a row for each name, of which the longest has room."""
    lines = max(name.count(markup.BREAK) for name in names) + 1
    return _AROUND + max(_PER_BAR, _PER_LINE * lines) * len(names)


def _lines(text: str, is_right: bool = False) -> str:
    """A text in short lines; in bold and with a tick where it is right."""
    lines = textwrap.wrap(("✓ " if is_right else "") + text, _WIDE) or [""]
    return markup.BREAK.join(markup.bold(line) if is_right else line for line in lines)
