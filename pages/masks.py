"""Masks: "where did the weights go?" A time machine over the stored masks of a run, and of a second one to compare."""

import streamlit as st

from appcore.ui import lab

lab.guard("masks")

from appcore import charts  # noqa: E402
from appcore.ui import frames, mask_data, masks_choose, masks_view, motion, status, text  # noqa: E402

everything = {run["run_id"]: run for run in lab.manager().runs()}
st.title("Masks: where did the weights go?")
if not everything:
    st.markdown("**There are no masks yet.** Start the first pair: SNIP and magnitude from the same weights on the same data.")
    st.page_link(lab.HOME, label="Go to Start", icon=":material/home:")
    st.stop()

run_id, against = masks_choose.pick(everything)
if run_id is None:
    st.markdown("Pick a run above.")
    st.stop()
runs = [everything[chosen] for chosen in (run_id, against) if chosen]
looks = charts.looks(runs)


def side(run: dict, data: frames.Frames) -> masks_choose.Side:
    """A run with its stored masks."""
    return masks_choose.Side(run, looks[run["run_id"]], mask_data.moments(run, data))


def read() -> tuple[list[dict], frames.Frames]:
    """The runs as they are now, and their tables."""
    now = [lab.manager().get(run["run_id"]) for run in runs]
    return now, frames.read(now)


is_live = status.is_active(runs[0])
at_first = len(side(*((found := read())[0][:1]), found[1]).moments)
with st.container(horizontal=True, vertical_alignment="center"):
    motion.button(at_first)
    follows = is_live and not motion.is_playing() and st.toggle("Follow the newest", value=True, key="follow_masks")
    st.markdown(f"{status.markdown(runs[0])} &nbsp; {status.sentence(runs[0]) if runs[0]['status'] != 'done' else ''}")
tick = motion.SECONDS if motion.is_playing() else 1.0 if is_live else None


@st.fragment(run_every=tick)
def moving() -> None:
    """Everything that the slider, the timer or a run that goes on changes."""
    now, data = read()
    first = side(now[0], data)
    if now[0]["status"] != runs[0]["status"] or bool(first.moments) != bool(at_first):
        st.rerun()
    if not first.moments:
        masks_choose.nothing_yet(now[0])
        return
    motion.advance(len(first.moments))
    at = masks_choose.pick_moment(first, follows)
    try:
        changes = masks_view.answer(first, at, data)
        masks_view.all_layers(first, at, changes, data)
        other = side(now[1], data) if len(now) > 1 else None
        other = other if other and other.moments else None
        there = masks_choose.beside(first, at, other) if other else 0
        masks_view.over_time(first, at, other, there)
        if other:
            masks_view.two_runs(first, at, other, there)
        elif len(now) > 1:
            st.subheader("Between the two runs", anchor=False)
            masks_choose.nothing_yet(now[1])
        masks_view.one_layer(first, at)
    except ValueError as error:  # a damaged file, or a run that was deleted meanwhile
        st.error(text.harmless(str(error)), icon=":material/error:")


with lab.own_place():
    moving()
motion.ask()
