"""Masks: "where did the weights go?" Mask snapshots over the course of a run, and of a second one to compare."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Masks",
    "icon": ":material/grid_on:",
    "order": 40,
    "help": "Go through the masks of a run: which weights went, which came back, what collapsed.",
    "of_run": ("Masks", "run"),
    "plays": True,
}

page.guard(__file__)

from appcore import charts  # noqa: E402
from appcore.ui.app import mask_data, tables  # noqa: E402
from appcore.ui.masks import choose, view  # noqa: E402
from appcore.ui.run import launch  # noqa: E402
from appcore.ui.widgets import bars, playback  # noqa: E402
from appcore.ui.words import run_status, text  # noqa: E402

st.title("Masks: where did the weights go?")
under_title = st.container()
everything = {run["run_id"]: run for run in page.runs()}
if not everything:
    st.markdown("**There are no masks yet.** Start the first pair: SNIP and magnitude from the same weights on the same data.")
    launch.first_pair()
    st.stop()

run_id, against = choose.pick(everything)
if run_id is None:
    st.markdown("Pick a run above.")
    st.stop()
runs = [everything[chosen] for chosen in (run_id, against) if chosen]
with under_title:
    bars.of_run(runs[0])
looks = charts.looks(runs)


def side(run: dict, data: tables.Frames) -> choose.Side:
    """A run with its mask snapshots."""
    return choose.Side(run, looks[run["run_id"]], mask_data.snapshots(run, data))


def read() -> tuple[list[dict], tables.Frames]:
    """The present state of the runs, and their tables."""
    now = [page.manager().get(run["run_id"]) for run in runs]
    return now, tables.read(now)


is_live = run_status.is_active(runs[0])
found: list[tuple[list[dict], tables.Frames]] = []
page.careful(lambda: found.append(read()))()
if not found:
    st.stop()
at_first = len(side(found[0][0][0], found[0][1]).snapshots)
with st.container(horizontal=True, vertical_alignment="center", key="masks-state"):
    follows = not playback.is_for(runs[:1]) and st.toggle("Follow the newest", value=True, key="follow_masks")
    st.markdown(f"{run_status.markdown(runs[0])} &nbsp; {run_status.sentence(runs[0]) if runs[0]['status'] != 'done' else ''}")


@st.fragment(run_every=1.0 if is_live else None)
@page.careful
def moving() -> None:
    """All parts that the slider, the timer or an active run changes."""
    now, data = read()
    page.name_unreadable(data.unreadable)
    first = side(now[0], data)
    if now[0]["status"] != runs[0]["status"] or bool(first.snapshots) != bool(at_first):
        st.rerun()
    if not first.snapshots:
        choose.nothing_yet(now[0])
        return
    at = choose.pick_snapshot(first, follows, data)
    try:
        changes = view.answer(first, at, data)
        layer = view.network(first, at, data)
        view.all_layers(first, at, changes, data)
        other = side(now[1], data) if len(now) > 1 else None
        other = other if other and other.snapshots else None
        there = choose.beside(first, at, other) if other else 0
        view.over_time(first, at, other, there)
        if other:
            view.two_runs(first, at, other, there)
        elif len(now) > 1:
            st.subheader("Between the two runs", anchor=False)
            choose.nothing_yet(now[1])
        view.filters_over_time(first, at, layer)
    except ValueError as error:  # a damaged file, or a run that was deleted meanwhile
        st.error(text.harmless(str(error)), icon=":material/error:")


with page.own_place():
    moving()
