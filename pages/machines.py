"""Machines: "what trains where, what waits, and why?" This machine's slots, how many runs train at once, and the other machines."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Machines",
    "icon": ":material/memory:",
    "order": 85,
    "help": "What trains where, what waits and why, and how many runs train at once.",
    "in_bar": False,
}

page.guard(__file__)

from appcore.ui.machines import others, view  # noqa: E402
from appcore.ui.words.text import plain  # noqa: E402

found = page.manager().machine.survey()
st.title("Machines")
st.markdown(f"This machine, **{plain(found['host'])}**: what trains on it, what waits, and why.")
view.hardware(found)
view.chooser(found)


@st.fragment(run_every=2.0)
@page.careful
def moving() -> None:
    """What trains and waits now."""
    now = page.manager().machine.survey()
    elsewhere = page.manager().machine.others()
    view.training(now)
    view.waiting(now, elsewhere["at_engines"])
    others.hosts(elsewhere)
    others.nodes(elsewhere)


with page.own_place():
    moving()
