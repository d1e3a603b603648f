"""Compare: "which, and by how much?" Runs side by side: curves, layers, who prunes the early layers harder, proof of pairing."""

import streamlit as st

from appcore.ui import lab

lab.guard("compare")

from appcore.ui import compare_layers, compare_numbers, compare_view, controls, frames, motion, status  # noqa: E402

everything = {run["run_id"]: run for run in lab.manager().runs()}
st.title("Compare")
if not everything:
    st.markdown("**There is nothing to compare yet.** Start the first pair: SNIP and magnitude from the same weights on the same data.")
    st.page_link(lab.HOME, label="Go to Start", icon=":material/home:")
    st.stop()

left, right = st.columns([3, 1.3], vertical_alignment="bottom")
with left:
    chosen = compare_view.pick(everything)
runs = [everything[run_id] for run_id in chosen]
with right:
    controls.all_buttons(runs)
if not runs:
    st.markdown("Pick two or more runs above; those that were started together are the fairest pair.")
    st.stop()

compare_view.legend(runs)
pair = compare_view.pick_pair(runs)
bands = compare_numbers.pick_bands(runs)
shown = [(run["status"], run["command"], status.state(run)) for run in runs]
tick = 1.0 if any(status.is_active(run) for run in runs) or motion.is_playing(compare_layers.KEY) else None


@st.fragment(run_every=tick)
@lab.careful
def moving() -> None:
    """Everything that grows; a change of state redraws the whole page, with its buttons. One fragment: several would queue up."""
    now = [lab.manager().get(run_id) for run_id in chosen]
    if [(run["status"], run["command"], status.state(run)) for run in now] != shown:
        st.rerun()
    data = frames.read(now)
    compare_view.progress(now)
    compare_view.answer(now, pair, data, bands)
    compare_layers.show(now, pair, data)
    compare_numbers.curves(now, pair, data, bands)
    compare_numbers.differences(now, data)
    compare_numbers.numbers(now, data)


with lab.own_place():
    moving()
compare_view.settings(runs)
compare_view.proof(runs)
motion.ask()
