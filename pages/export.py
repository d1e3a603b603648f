"""Export: "what do I take away?" The model of a run with a reality check, numbers as tables for a paper and as files, figures."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Export",
    "icon": ":material/download:",
    "order": 90,
    "help": "Model files and what they weigh here; numbers as LaTeX, CSV and reports; figures for a paper.",
    "of_run": ("Export", "run"),
}

page.guard(__file__)

from appcore.ui.export import figures, numbers, view  # noqa: E402
from appcore.ui.run import launch  # noqa: E402
from appcore.ui.widgets import bars  # noqa: E402
from appcore.ui.words import run_status  # noqa: E402

st.title("Export: what do you take away?")
under_title = st.container()
everything = {run["run_id"]: run for run in page.runs()}
if not everything:
    st.markdown("**There is no network to export yet.** Start the first pair: it takes about a minute.")
    launch.first_pair()
    st.stop()

run_id = view.pick(everything)
if run_id is None:
    st.markdown("Pick a run above.")
    st.stop()
with under_title:
    bars.of_run(everything[run_id])
part = view.pick_part()
if part == "Numbers":
    numbers.show(view.belonging(everything, run_id))
    st.stop()
if part == "Figures":
    figures.show(page.manager().get(run_id))
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
