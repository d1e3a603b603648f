"""Stream: "what does the stream cost?" A stream planned on screen, or what finished runs achieved for their cost."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Stream",
    "icon": ":material/stacked_line_chart:",
    "order": 60,
    "help": "What replay, splits and budget cost, before and after a run; accuracy against compute.",
    "of_run": ("Stream", "from"),
}

page.guard(__file__)

from appcore.statuses import RESUMABLE  # noqa: E402
from appcore.ui.app import tables  # noqa: E402
from appcore.ui.run import launch  # noqa: E402
from appcore.ui.stream import forgetting, plan, results  # noqa: E402
from appcore.ui.widgets import run_rail  # noqa: E402
from appcore.ui.words import run_status, text  # noqa: E402

VIEWS = {"plan": "Plan a stream", "runs": "What runs gave for it"}
st.title("Stream: what does it cost?")
everything = {run["run_id"]: run for run in page.runs()}
asked = st.query_params.get("view", "runs" if "runs" in st.query_params else "plan")
st.session_state["stream_view"] = asked if asked in VIEWS else "plan"
with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
    view = st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key="stream_view",
        on_change=lambda: st.query_params.update(view=st.session_state["stream_view"]),
        required=True,
        label_visibility="collapsed",
    )


def plan_view() -> None:
    """Plan a stream without running it: settings, timeline, costs."""
    config = plan.choose(everything)
    if config is None:
        st.markdown("**The picture appears when all settings are possible.**")
        return
    plan.show(config)


def runs_view() -> None:
    """Runs of the store: errors over the stream of the picked ones, and accuracy against compute of all."""
    if not everything:
        st.markdown("**There are no runs yet.** Start the first pair, or plan a stream first.")
        launch.first_pair()
        return
    runs = results.pick(everything)
    for run in runs:
        if run["status"] in RESUMABLE:
            st.caption(
                f"{run_status.markdown(run)} {text.plain(run['title'])}: {run_status.sentence(run)} What it measured until then is shown."
            )
    shown, hidden = [run["status"] for run in runs], run_rail.hidden(runs)

    @st.fragment(run_every=2.0 if any(run_status.is_active(run) for run in runs) else None)
    @page.careful
    def moving() -> None:
        now = [page.manager().get(run["run_id"]) for run in runs]
        if [run["status"] for run in now] != shown:
            st.rerun()
        data = tables.read(now)
        page.name_unreadable(data.unreadable)
        with run_rail.place():
            results.rail(now, data)
            with st.container(key="charts"):
                visible = [run for run in now if run["run_id"] not in hidden] or now
                results.on_the_way(visible, now, data)
                forgetting.section(visible, data)

    if runs:
        with page.own_place():
            moving()
    else:
        st.markdown("Pick runs above to see the errors that they made on the way.")
    results.front(list(everything.values()), [run["run_id"] for run in runs])


if view == "plan":
    plan_view()
else:
    runs_view()
