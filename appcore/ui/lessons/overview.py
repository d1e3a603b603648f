"""All lessons: what each is about, how long it takes, and how far one has come."""

from __future__ import annotations

import streamlit as st

from appcore.service import lessons

from ..app import page
from ..words.text import harmless
from . import browser


def show() -> None:
    """A card for each lesson, in order."""
    seen = browser.seen()
    with st.container(key="lessons-all"), st.grid(2, min_column_width=320, gap="small"):
        for name, choice in lessons.found().items():
            lesson, number = lessons.load(name), lessons.number(choice)
            with st.container(border=True, height="stretch", gap="xxsmall"):
                count = len(lesson.steps)
                step = seen.get(name, 0)
                label = f"{number}. {harmless(choice.title)}" if number else harmless(choice.title)
                query = {"lesson": lessons.address(choice), "step": str(step if 0 < step < count else 1)}
                st.page_link(page.link("lessons"), label=f"**{label}**", query_params=query)
                st.markdown(lesson.surprise)
                is_done = step >= count
                far = "done" if is_done else f"at step {step} of {count}" if step else f"{count} steps"
                st.caption(f"About {lesson.minutes} minutes · {far}")
