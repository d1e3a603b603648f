"""The answers of a reader, by lesson and question. Every answer is given through `give`, wherever it comes from."""

from __future__ import annotations

from typing import Any

import streamlit as st

from appcore.lessons.questions import Question

SKIPPED = None
_KEY = "_answers"


def give(lesson: str, question: Question, answer: Any) -> None:
    """Keep an answer (SKIPPED: none was wanted); InputError where it is no answer to the question."""
    _of(lesson)[question.id] = SKIPPED if answer is SKIPPED else question.checked(answer)


def is_given(lesson: str, question: Question) -> bool:
    """Whether the question was answered or skipped, so that its answer may be seen."""
    return question.id in _of(lesson)


def given(lesson: str, question: Question) -> Any:
    """The answer; SKIPPED where there is none."""
    return _of(lesson).get(question.id, SKIPPED)


def take_back(lesson: str, question: Question) -> None:
    """Cover the answer again."""
    _of(lesson).pop(question.id, None)


def everything() -> dict[str, dict[str, Any]]:
    """All answers by lesson and question, as plain data."""
    return st.session_state.setdefault(_KEY, {})


def _of(lesson: str) -> dict[str, Any]:
    return everything().setdefault(lesson, {})
