"""Playing through moments: a button that advances on a timer, or by one step where the person's system asks for less motion."""

from __future__ import annotations

import time

import streamlit as st

SECONDS = 1.0
_JS = """
export default function (component) {
  const wish = window.matchMedia('(prefers-reduced-motion: reduce)');
  const tell = () => component.setStateValue('less', wish.matches);
  if ((component.data || {}).less !== wish.matches) tell();
  wish.addEventListener('change', tell);
  return () => wish.removeEventListener('change', tell);
}
"""
_component = st.components.v2.component("motion_wish", html="<span hidden></span>", js=_JS)


def ask() -> None:
    """Ask the browser whether its user wants less motion; the last thing on a page, since it takes a line of space."""
    known = bool(st.session_state.get("_less_motion"))
    found = _component(key="motion_wish", data={"less": known}, default={"less": known}, on_less_change=lambda: None)
    if bool(found.less) != known:
        st.session_state["_less_motion"] = bool(found.less)
        st.rerun()


def button(moments: int) -> None:
    """Play and hold, in the main script of a page; stays grey where there is nothing to play."""
    playing = st.session_state.get("playing", False)
    if st.session_state.get("_less_motion"):
        st.button("Next step", icon=":material/skip_next:", key="play", disabled=moments < 2, on_click=_step, args=(moments,))
    else:
        label, icon = ("Hold", ":material/pause:") if playing else ("Play", ":material/play_arrow:")
        st.button(label, icon=icon, key="play", disabled=moments < 2, on_click=_toggle, args=(moments,))


def _toggle(moments: int) -> None:
    st.session_state["playing"] = not st.session_state.get("playing", False)
    st.session_state["_advanced"] = time.monotonic()
    if st.session_state["playing"] and st.session_state.get("point", 1) >= moments:
        st.session_state["point"] = 1  # at the end, play begins anew


def _step(moments: int) -> None:
    st.session_state["playing"] = False
    st.session_state["point"] = st.session_state.get("point", 1) % moments + 1


def is_playing() -> bool:
    """Whether the timer is on."""
    return bool(st.session_state.get("playing"))


def advance(moments: int) -> None:
    """Called on each tick, before the slider is drawn: the next moment, and hold at the last."""
    if not is_playing() or time.monotonic() - st.session_state.get("_advanced", 0.0) < 0.8 * SECONDS:
        return
    st.session_state["_advanced"] = time.monotonic()
    point = st.session_state.get("point", 1)
    if point < moments:
        st.session_state["point"] = point + 1
    else:
        st.session_state["playing"] = False
        st.rerun()
