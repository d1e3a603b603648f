"""Export: "what do I take away, and is it smaller or faster?" Model files of a run, and a reality check on this machine."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Export",
    "icon": ":material/download:",
    "order": 90,
    "help": "The network of a run as files, and what it weighs and takes on this machine.",
}

page.guard(__file__)

from appcore.ui.export import view  # noqa: E402
from appcore.ui.words import run_status  # noqa: E402

st.title("Export: what do you take away?")
everything = {run["run_id"]: run for run in page.runs()}
if not everything:
    st.markdown("**There is no network to export yet.** Start the first pair: it takes about a minute.")
    st.page_link(page.link("home"), label="Go to Start", icon=":material/home:")
    st.stop()

run_id = view.pick(everything)
if run_id is None:
    st.markdown("Pick a run above.")
    st.stop()
at_first = page.manager().exports.state(run_id)
is_moving = view.is_busy(at_first) or run_status.is_active(everything[run_id])


@st.fragment(run_every=1.0 if is_moving else None)
@page.careful
def moving() -> None:
    """All parts that a finished file or an active run changes."""
    run, state = page.manager().get(run_id), page.manager().exports.state(run_id)
    if (view.is_busy(state) or run_status.is_active(run)) != is_moving:
        st.rerun()
    if state["cursor"] is None:
        view.nothing_yet(run)
        return
    view.what_it_is(run, state["cursor"])
    view.files(run, state)
    view.reality(run, state)


with page.own_place():
    moving()
