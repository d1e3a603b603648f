"""Buttons for pause, resume and stop. They are in the main script of a page, where no busy fragment delays them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from appcore.statuses import MOVING, RESUMABLE

from ..app import page
from ..words import run_status
from ..words.text import harmless


def buttons(run: Mapping[str, Any]) -> None:
    """The buttons of one run. Each keeps its place; unusable ones are disabled."""
    again = "Try again" if run["status"] == "failed" else "Resume"
    with st.container(horizontal=True, horizontal_alignment="right"):
        if run["status"] == "queued":
            look: dict[str, Any] = {"icon": ":material/vertical_align_top:", "help": "Let it begin before the others that wait here"}
            st.button("To the front", key="front", on_click=_to_front, args=(run["run_id"],), **look)
        hold([run], "Pause", again)
        _stop([run], "Stop")


def all_buttons(runs: Sequence[Mapping[str, Any]]) -> None:
    """Pause or stop several runs at once; nothing where none goes on."""
    active = [run for run in runs if run_status.is_active(run) and not run_status.is_only_read(run)]
    if not active:
        return
    with st.container(horizontal=True, horizontal_alignment="right"):
        hold(active, "Pause all", "Resume all")
        _stop(active, "Stop all")


def hold(runs: Sequence[Mapping[str, Any]], pause: str, resume: str) -> None:
    """Pause, or when no run is moving, resume. One element for both, so that no click falls between two that change places."""
    moving = [run for run in runs if run["status"] in MOVING]
    held = [run for run in runs if run["status"] in ("paused", *RESUMABLE)]
    verb = "resume" if held and not moving else "pause"
    addressed = [run["run_id"] for run in (held if verb == "resume" else moving) if run["command"] is None]
    st.button(
        resume if verb == "resume" else pause,
        icon=":material/play_arrow:" if verb == "resume" else ":material/pause:",
        key="hold",
        type="primary" if verb == "resume" else "secondary",
        disabled=not addressed,
        on_click=_send,
        args=(verb, *addressed),
    )


def _stop(runs: Sequence[Mapping[str, Any]], label: str) -> None:
    addressed = [run["run_id"] for run in runs if run_status.is_active(run) and run["command"] != "stop"]
    st.button(label, icon=":material/stop:", key="stop", disabled=not addressed, on_click=_send, args=("stop", *addressed))


def _send(verb: str, *run_ids: str) -> None:
    send: Callable[[str], Any] = getattr(page.manager(), verb)
    for run_id in run_ids:
        try:
            send(run_id)
        except ValueError as error:
            st.toast(harmless(str(error)), icon=":material/error:")


def _to_front(run_id: str) -> None:
    try:
        page.manager().move(run_id, "front")
    except ValueError as error:
        st.toast(harmless(str(error)), icon=":material/error:")
