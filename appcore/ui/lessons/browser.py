"""What the browser does for lessons: the arrow keys turn steps, and answers and progress stay in it (browser.js)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st

from appcore.lessons.base import Lesson
from appcore.service import lessons

from ..questions import answers

_component = st.components.v2.component(
    "lesson_browser",
    html="<span class='lesson-browser' hidden></span>",
    js=(Path(__file__).parent / "browser.js").read_text(encoding="utf-8"),
)
_LOADED, _SEEN = "_lessons_loaded", "_lessons_seen"
_MOST = 100_000  # characters


def keep() -> None:
    """Send what is to be kept; the first time take up what the browser has from before. Put last on the page."""
    is_loaded = st.session_state.get(_LOADED, False)
    text = json.dumps({"answers": answers.everything(), "seen": seen()}) if is_loaded else None
    found = _component(key="lesson_browser", data={"keep": text}, on_kept_change=lambda: None)
    if not is_loaded and found.kept is not None:
        _take_up(str(found.kept))
        st.session_state[_LOADED] = True
        st.rerun()


def seen() -> dict[str, int]:
    """How far each lesson was read: the number of its farthest step."""
    return st.session_state.setdefault(_SEEN, {})


def saw(name: str, step: int) -> None:
    """Remember that a step was read."""
    seen()[name] = max(step, seen().get(name, 0))


def _take_up(text: str) -> None:
    """What is in a browser may be anything: only answers that fit their questions are taken, and none that is given already."""
    try:
        found: Any = json.loads(text) if 0 < len(text) <= _MOST else {}
    except ValueError:
        return
    for name in lessons.found():
        for kept, take in ((found.get("answers"), _answers), (found.get("seen"), _progress)) if isinstance(found, dict) else ():
            if isinstance(kept, dict) and name in kept:
                take(name, kept[name])


def _answers(name: str, kept: Any) -> None:
    lesson: Lesson = lessons.load(name)
    for question in lesson.questions().values():
        if isinstance(kept, dict) and question.id in kept and not answers.is_given(name, question):
            try:
                answers.give(name, question, kept[question.id])
            except ValueError:
                continue


def _progress(name: str, kept: Any) -> None:
    if isinstance(kept, int) and not isinstance(kept, bool) and 0 < kept <= len(lessons.load(name).steps):
        saw(name, kept)
