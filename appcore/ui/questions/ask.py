"""A question on a page: what is asked, ways to answer it by mouse, finger or keyboard, and Skip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from appcore.lessons.questions import SURE, Choice, Curve, Order, Question

from . import answers, drawing

Give = Callable[[Any], None]


def show(question: Question, key: str, give: Give) -> None:
    """Draw the question and call `give` with the answer, or SKIPPED; `key` is unique on the page."""
    st.markdown(f"**{question.ask}**")
    answer: Any
    if isinstance(question, Choice):
        answer = _choice(question, key)
    elif isinstance(question, Order):
        answer = _order(question, key)
    else:
        answer = _curve(question, key)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Answer", key=f"{key}-answer", type="primary", disabled=answer is None, on_click=give, args=(answer,))
        st.button("Skip", key=f"{key}-skip", type="tertiary", on_click=give, args=(answers.SKIPPED,), help="Show what was measured")
        if isinstance(question, Curve):
            st.caption("Draw with mouse or finger, or move a point with Tab and the arrow keys.", width="stretch")


def _choice(question: Choice, key: str) -> dict[str, int] | None:
    texts = [option.text for option in question.options]
    places = range(len(texts))
    option = st.radio(question.ask, places, index=None, format_func=texts.__getitem__, key=f"{key}-option", label_visibility="collapsed")
    ways = range(len(SURE))
    sure = st.segmented_control("How sure are you?", ways, format_func=SURE.__getitem__, default=0, key=f"{key}-sure", required=True)
    return None if option is None else {"option": option, "sure": sure}


def _order(question: Order, key: str) -> list[int] | None:
    """One press for each, the best first; another press takes it out again."""
    picked: list[int] = st.session_state.setdefault(f"{key}-order", [])
    st.caption("Press them in your order, the highest first; press again to take one out.")
    with st.grid(3, min_column_width=200, gap="xsmall"):
        for place, item in enumerate(question.items):
            rank = picked.index(place) + 1 if place in picked else 0
            st.button(
                f"{rank}. {item.text}" if rank else item.text,
                key=f"{key}-item-{place}",
                type="primary" if rank else "secondary",
                width="stretch",
                on_click=_press,
                args=(picked, place, len(question.items)),
            )
    return list(picked) if len(picked) == len(question.items) else None


def _press(picked: list[int], place: int, count: int) -> None:
    if place in picked:
        picked.remove(place)
    else:
        picked.append(place)
    rest = set(range(count)) - set(picked)
    if len(rest) == 1 and place in picked:
        picked.append(rest.pop())  # there is only one place left for it


def _curve(question: Curve, key: str) -> list[float] | None:
    return drawing.show(question, f"{key}-drawing")
