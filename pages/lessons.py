"""Lessons: "what should I believe about pruning?" Claims that one answers first, and recordings that answer afterwards."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Lessons",
    "icon": ":material/school:",
    "order": 15,
    "help": "Eight claims about pruning: guess first, then see what was measured.",
    "on_start": (
        "Take a lesson",
        "Eight claims about pruning in an hour: guess first, then see what was measured, and try it yourself.",
    ),
}

page.guard(__file__)

from appcore.service import lessons  # noqa: E402
from appcore.ui.classroom import panel  # noqa: E402
from appcore.ui.lessons import browser, overview, view  # noqa: E402
from appcore.ui.widgets import live_chart  # noqa: E402
from appcore.ui.words.text import harmless  # noqa: E402

page.settle_address()
st.html(view.STYLE)
live_chart.load_ahead()
asked = st.query_params.get("lesson", "")
name = lessons.at(asked) if asked else None
if name is None:
    st.title("Lessons: guess first, then look")
    if asked:
        st.warning(f"There is no lesson {harmless(asked[:40])!r}; choose one below.", icon=":material/search_off:")
    st.markdown(
        "Each takes a claim about pruning and asks you before it tells you. The numbers in the texts are read from recorded runs while "
        "you look, with their seeds and intervals. Arrow keys turn the steps."
    )
    class_code = panel.bar()
    if class_code:
        panel.ask(class_code, None)
    overview.show()
else:
    view.show(name)
browser.keep()
