"""Compare: "which, and by how much?" Runs side by side: curves, layers, who prunes the early layers harder, proof of pairing."""

from functools import partial

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Compare",
    "icon": ":material/compare_arrows:",
    "order": 30,
    "help": "Put runs side by side, layer by layer.",
    "of_run": ("Compare with …", "runs"),
    "plays": True,
    "on_start": (
        "Compare runs",
        "Curves on top of each other, layers side by side, and proof that the runs are paired.",
    ),
}

page.guard(__file__)

from appcore.ui.app import tables  # noqa: E402
from appcore.ui.compare import chosen as choice  # noqa: E402
from appcore.ui.compare import layers, numbers, ticket, view  # noqa: E402
from appcore.ui.run import launch  # noqa: E402
from appcore.ui.widgets import alerts, bell, playback, run_controls, run_picker, run_rail  # noqa: E402
from appcore.ui.words import run_status  # noqa: E402

st.title("Compare")
everything = {run["run_id"]: run for run in page.runs()}
if not everything:
    st.markdown("**There is nothing to compare yet.** Start the first pair: SNIP and magnitude from the same weights on the same data.")
    launch.first_pair()
    st.stop()

with st.container(horizontal=True, vertical_alignment="center", key="compare-head"):
    picked = run_picker.pick(everything)
    runs = [everything[run_id] for run_id in picked]
    hidden = run_rail.hidden(runs)
    seen = [run for run in runs if run["run_id"] not in hidden] or runs
    curves = view.curve_view()
    pair = view.pick_pair(seen, runs) if runs else ("", "")
    bands = numbers.pick_bands(seen)
    alerts.switch(runs)
    run_controls.all_buttons(runs)
if not runs:
    st.markdown("Pick two or more runs above; those that were started together are the fairest pair.")
    st.stop()

chosen = choice.Chosen(seen, runs, pair, bands, curves)
pace = tables.pace(runs)
shown = pace, [(run["status"], run["command"], run_status.state(run)) for run in runs]


def read() -> tuple[list[dict], tables.Frames]:
    """The present state of the runs and their tables; a change of state draws the whole page again with its buttons."""
    now = [page.manager().get(run_id) for run_id in picked]
    if (tables.pace(now), [(run["status"], run["command"], run_status.state(run)) for run in now]) != shown:
        st.rerun()
    return now, tables.read(now)


def figures(now: list[dict], data: tables.Frames) -> None:
    """All that is drawn of the tables."""
    page.name_unreadable(data.whole.unreadable)
    what = chosen.now([playback.as_of(run, data) for run in now])
    view.broken(now)
    view.answer(what, data)
    layers.show(what, data)
    numbers.curves(what, data)
    numbers.differences(what, data)
    numbers.numbers(what.runs, data)
    ticket.show(what.among, data)


@st.fragment
@page.careful
def ended() -> None:
    """Runs that do not go on, at the moment of the slider."""
    now, everything = read()
    data = playback.played(now, everything, partial(layers.moment_of_link, chosen, everything))
    with run_rail.place():
        view.rail(now, data)
        with st.container(key="charts"):
            figures(now, data)


@st.fragment(run_every=pace)
@page.careful
def moving() -> None:
    """The rail of runs that go on, at their pace; it has their figures drawn when there is something new."""
    now, data = read()
    view.rail(now, data)
    bell.ring("compare-figures", data.news)


@st.fragment(key="compare-figures")
@page.careful
def new_figures() -> None:
    """The figures of runs that go on."""
    figures(*read())


if any(run_status.is_active(run) for run in runs):
    with run_rail.place():
        with run_rail.own_place():
            moving()
        with st.container(key="charts"):
            new_figures()
else:
    with page.own_place():
        ended()
view.settings(runs)
view.proof(runs)
