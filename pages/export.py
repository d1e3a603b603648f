"""Export: "what do I take away, and is it smaller or faster?" Model files of a run, and a reality check on this machine."""

import streamlit as st

from appcore.ui import lab

lab.guard("export")

from appcore.ui import export_view, status  # noqa: E402

everything = {run["run_id"]: run for run in lab.manager().runs()}
st.title("Export: what do you take away?")
if not everything:
    st.markdown("**There is no network to export yet.** Start the first pair: it takes about a minute.")
    st.page_link(lab.HOME, label="Go to Start", icon=":material/home:")
    st.stop()

run_id = export_view.pick(everything)
if run_id is None:
    st.markdown("Pick a run above.")
    st.stop()
at_first = lab.manager().exports.state(run_id)
is_moving = export_view.is_busy(at_first) or status.is_active(everything[run_id])


@st.fragment(run_every=1.0 if is_moving else None)
@lab.careful
def moving() -> None:
    """Everything that a file that gets ready, or a run that goes on, changes."""
    run, state = lab.manager().get(run_id), lab.manager().exports.state(run_id)
    if (export_view.is_busy(state) or status.is_active(run)) != is_moving:
        st.rerun()
    if state["cursor"] is None:
        export_view.nothing_yet(run)
        return
    export_view.what_it_is(run, state["cursor"])
    export_view.files(run, state)
    export_view.reality(run, state)


with lab.own_place():
    moving()
