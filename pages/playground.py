"""Playground: "what does cutting do to a network that I can see?" A small network, every weight an edge, trained in the browser."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Playground",
    "icon": ":material/hub:",
    "order": 55,
    "help": "Train a network of a thousand weights in the browser, cut it while you watch, and see what is left.",
    "on_start": (
        "Play with a small network",
        "Train a thousand weights in the browser, drag a slider to cut them, and see which ones mattered.",
    ),
}

page.guard(__file__)

from appcore.ui.playground import element  # noqa: E402

st.title("Cut a network while you watch")
element.show()
st.caption(
    "Every line is a weight: blue adds, orange subtracts, wide is large. Grey dashes lie on no path from input to output, hollow circles "
    "answer to no point. A sketch in your browser: nothing is stored, and the server does nothing."
)
