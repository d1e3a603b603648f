"""A curve that is drawn by mouse, finger or keyboard (drawing.js)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from appcore.lessons.questions import Curve

from ..widgets import projector

HEIGHT, PROJECTED = 230, 165  # pixels, before a projector enlarges them
_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "drawing",
    html="<div class='drawing'></div>",
    css=(_FOLDER / "drawing.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "drawing.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def show(question: Curve, key: str) -> list[float] | None:
    """Draw it; the values of all points once one was moved, None before."""
    start = question.start if question.start is not None else (question.low + question.high) / 2
    data = {
        "labels": [point.text for point in question.points],
        "low": question.low,
        "high": question.high,
        "unit": question.unit,
        "x": question.x,
        "y": question.y,
        "start": start,
        "height": PROJECTED if projector.is_on() else HEIGHT,
        "scale": projector.scale(),
    }
    drawn = _component(key=key, data=data, height="content", on_drawn_change=lambda: None).drawn
    try:
        return question.checked(drawn)
    except ValueError:
        return None
