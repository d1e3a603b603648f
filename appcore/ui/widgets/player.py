"""A play button for a slider: advances it on a timer, or by one step where the user's system asks for reduced motion."""

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
    """Ask the browser whether its user wants reduced motion; put last on a page, since it takes a line of space."""
    known = bool(st.session_state.get("_less_motion"))
    found = _component(key="motion_wish", data={"less": known}, default={"less": known}, on_less_change=lambda: None)
    if bool(found.less) != known:
        st.session_state["_less_motion"] = bool(found.less)
        st.rerun()


def button(count: int, key: str = "point") -> bool:
    """Play and pause, for a slider from 1 to `count` under `key`; disabled where there is nothing to play.

    True when it was pressed: in a fragment the caller then runs the whole page again, for the timer is the page's.
    """
    if st.session_state.get("_less_motion"):
        return st.button("Next step", icon=":material/skip_next:", key="play", disabled=count < 2, on_click=_step, args=(count, key))
    label, icon = ("Pause", ":material/pause:") if is_playing(key) else ("Play", ":material/play_arrow:")
    return st.button(label, icon=icon, key="play", disabled=count < 2, on_click=_toggle, args=(count, key))


def _toggle(count: int, key: str) -> None:
    st.session_state["_playing"] = "" if is_playing(key) else key
    st.session_state["_advanced"] = time.monotonic()
    if is_playing(key) and st.session_state.get(key, 1) >= count:
        st.session_state[key] = 1  # at the end, play starts again


def _step(count: int, key: str) -> None:
    st.session_state["_playing"] = ""
    st.session_state[key] = st.session_state.get(key, 1) % count + 1


def is_playing(key: str = "point") -> bool:
    """Whether the timer is on."""
    return st.session_state.get("_playing") == key


def advance(count: int, key: str = "point") -> None:
    """Called on each tick, before the slider is drawn: go one step on, and pause at the last."""
    if not is_playing(key) or time.monotonic() - st.session_state.get("_advanced", 0.0) < 0.8 * SECONDS:
        return
    st.session_state["_advanced"] = time.monotonic()
    if st.session_state.get(key, 1) < count:
        st.session_state[key] = st.session_state.get(key, 1) + 1
    else:
        st.session_state["_playing"] = ""
        st.rerun()
