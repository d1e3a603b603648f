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
from appcore.ui.widgets import playback, run_controls, run_picker, run_rail  # noqa: E402
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
    run_controls.all_buttons(runs)
if not runs:
    st.markdown("Pick two or more runs above; those that were started together are the fairest pair.")
    st.stop()

chosen = choice.Chosen(seen, runs, pair, bands, curves)
shown = [(run["status"], run["command"], run_status.state(run)) for run in runs]
tick = 1.0 if any(run_status.is_active(run) for run in runs) else None


@st.fragment(run_every=tick)
@page.careful
def moving() -> None:
    """All live parts; a change of state redraws the whole page with its buttons. One fragment, since several would queue up."""
    now = [page.manager().get(run_id) for run_id in picked]
    if [(run["status"], run["command"], run_status.state(run)) for run in now] != shown:
        st.rerun()
    everything = tables.read(now)
    page.name_unreadable(everything.unreadable)
    data = playback.played(now, everything, partial(layers.moment_of_link, chosen, everything))
    with run_rail.place():
        view.rail(now, data)
        with st.container(key="charts"):
            what = chosen.now([playback.as_of(run, data) for run in now])
            view.broken(now)
            view.answer(what, data)
            layers.show(what, data)
            numbers.curves(what, data)
            numbers.differences(what, data)
            numbers.numbers(what.runs, data)
            ticket.show(what.among, data)


with page.own_place():
    moving()
view.settings(runs)
view.proof(runs)
