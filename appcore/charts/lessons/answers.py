"""Pictures of what was measured: numbers with their intervals, and for each kind of question the truth beside somebody's own answer."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ... import markup
from ...lessons.numbers import FAILS, HOLDS, Number
from ...lessons.questions import Choice, Curve, Order
from .. import style

TRUTH, OWN = "#0072B2", style.WARNING
Rows = Sequence[tuple[str, Number]]
_READ = "dot: mean · bar: 95\u00a0% interval · small marks: seeds"
_FARTHEST = 1e6
_LINE = 20  # characters


def numbers(title: str, rows: Rows, *, revision: str = "", places: Sequence[str] = (), height: int = 0) -> go.Figure:
    """One row for each number: mean, 95 % interval, and every seed. `places`: what is written at the right of each row."""
    unit = rows[0][1].unit if rows else ""
    figure = style.figure(title, _READ, x=unit, y="", height=height or 130 + 46 * max(3, len(rows)), revision=revision, legend=False)
    for place, (label, number) in enumerate(rows):
        low, high = bounds(number)
        figure.add_trace(
            go.Scatter(
                x=list(number.by_seed.values()),
                y=[place + 0.22] * len(number.by_seed),
                mode="markers",
                marker={"symbol": "line-ns-open", "size": 9, "color": style.GREY},
                text=[f"seed {seed}" for seed in number.by_seed],
                hovertemplate=markup.hover("%{text}: %{x:,.2f}"),
                name=f"{label}, seeds",
            )
        )
        bar = {"type": "data", "array": [high - number.sample.mean], "arrayminus": [number.sample.mean - low], "thickness": 3, "width": 8}
        figure.add_trace(
            go.Scatter(
                x=[number.sample.mean],
                y=[place],
                mode="markers+text",
                text=[str(number)],
                textposition="top center",
                textfont={"size": 13},
                cliponaxis=False,
                marker={"size": 12, "color": TRUTH},
                error_x=bar if number.has_interval else None,
                hovertemplate=markup.hover(markup.bold(markup.literal(label)), f"{number.mean}, 95\u00a0%: {number.interval}"),
                name=label,
            )
        )
    for place, text in enumerate(places):
        figure.add_annotation(x=1.01, xref="paper", xanchor="left", y=place, text=text, showarrow=False, font={"color": OWN, "size": 13})
    figure.update_layout(hovermode="closest", margin_t=72, margin_r=70 if places else 24)
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [wrapped(label) for label, _ in rows], "ticks": "", "showgrid": False}
    return figure.update_yaxes(range=[len(rows) - 0.4, -0.75], **ticks).update_xaxes(range=_reach(rows))


def wrapped(label: str) -> str:
    """A long label in lines, which leave the numbers room on a phone."""
    return markup.BREAK.join(textwrap.wrap(label, _LINE)) or label


def bounds(number: Number) -> tuple[float, float]:
    """What is drawn of its interval: nothing, where nothing is known of it."""
    return number.bounds if number.has_interval else (number.sample.mean, number.sample.mean)


def _reach(rows: Rows) -> list[float]:
    """The axis: all seeds and intervals; percent begin at 0, differences hold it."""
    values = [value for _, number in rows for value in (*number.by_seed.values(), *bounds(number))]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if all(number.is_difference for _, number in rows):
        low, high = min(low, 0.0), max(high, 0.0)
    elif low > 0:
        low = 0.0
    room = 0.06 * (high - low or 1.0)
    return [low - room, high + room]


def choice(question: Choice, truth: Number, beside: Rows, answer: dict[str, int] | None, label: str) -> go.Figure:
    """The number that decides, those beside it, and the chosen option as a coloured part of the axis."""
    rows = [*beside] if beside else [(label, truth)]
    figure = numbers("What was measured", rows, revision=question.id)
    low, high = figure.layout.xaxis.range
    if answer is not None and not beside:
        chosen = question.options[answer["option"]]
        edges = [edge for edge in (chosen.at_least, chosen.below) if abs(edge) < _FARTHEST]
        low, high = min([low, *edges]), max([high, *edges])
        figure.update_xaxes(range=[low, high])
    if any(number.is_difference for _, number in rows):
        figure.add_vline(x=0, line={"width": 1.5, "color": style.GREY})
    if answer is None:
        return figure
    option = question.options[answer["option"]]
    reach = {HOLDS: (0.0, high), FAILS: (low, 0.0)}.get(option.verdict, (low, high) if option.verdict else (option.at_least, option.below))
    least, most = max(low, reach[0]), min(high, reach[1])
    if not beside and (not option.verdict or option.verdict in {HOLDS, FAILS}) and least < most:
        figure.add_vrect(x0=least, x1=most, fillcolor=OWN, opacity=0.12, line_width=0, layer="below")
    place = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "bottom"}
    figure.add_annotation(text=f"you: {option.text}", **place, **_own())
    return figure.update_layout(margin_t=96)


def _own() -> dict[str, Any]:
    return {"showarrow": False, "font": {"color": OWN, "size": 13}}


def order(question: Order, truths: Sequence[Number], answer: Sequence[int] | None) -> go.Figure:
    """The things in their measured order; at the right the place that each was given."""
    places = question.right(truths)
    rows = [(question.items[place].text, truths[place]) for place in places]
    given = [f"you: {list(answer).index(place) + 1}." for place in places] if answer is not None else []
    return numbers("What was measured, best first", rows, revision=question.id, places=given)


def curve(question: Curve, truths: Sequence[Number], answer: Sequence[float] | None) -> go.Figure:
    """The measured means with their 95 % intervals as a band, and the curve that was drawn."""
    unit = f"{question.y}, {question.unit}"
    how = "line: mean · band: 95\u00a0% interval" if truths[0].has_interval else "one seed: nothing is known of its interval"
    figure = style.figure("What was measured", how, x=question.x, y=unit, revision=question.id, height=400)
    x = list(range(len(question.points)))
    low, high = (np.clip([bounds(truth)[side] for truth in truths], question.low, question.high) for side in (0, 1))
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(x=x, y=high, name="interval, above", **edge))
    figure.add_trace(go.Scatter(x=x, y=low, name="interval, below", fill="tonexty", fillcolor="rgba(0,114,178,0.18)", **edge))
    means = [truth.sample.mean for truth in truths]
    line = {"mode": "lines+markers", "marker": {"size": 8}, "hovertemplate": f"%{{y:.1f}} {question.unit}"}
    figure.add_trace(go.Scatter(x=x, y=means, name=f"measured, {truths[0].seeds}", line={"color": TRUTH, "width": 3}, **line))
    if answer is not None:
        drawn = {"color": OWN, "width": 3, "dash": "dash"}
        figure.add_trace(go.Scatter(x=x, y=list(answer), name="your curve", line=drawn, **line))
    figure.update_xaxes(tickvals=x, ticktext=[point.text for point in question.points], range=[-0.3, len(x) - 0.7])
    room = 0.03 * (question.high - question.low)
    return figure.update_yaxes(range=[question.low - room, question.high + room])
