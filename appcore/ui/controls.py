"""Pause, resume and stop as buttons. They stand in the main script of a page, where no busy fragment delays them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from . import lab, status

_AGAIN = ("stopped", "failed", "lost")


def buttons(run: Mapping[str, Any]) -> None:
    """What can be done with one run now. Every button keeps its place; one that cannot be used is grey."""
    run_id, active = run["run_id"], status.is_active(run)
    waiting = run["command"] is not None
    with st.container(horizontal=True, horizontal_alignment="right"):
        if run["status"] in ("paused", *_AGAIN):
            label = "Resume" if run["status"] != "failed" else "Try again"
            st.button(
                label, icon=":material/play_arrow:", key="resume", type="primary", disabled=waiting, on_click=_tell, args=("resume", run_id)
            )
        else:
            st.button("Pause", icon=":material/pause:", key="pause", disabled=not active or waiting, on_click=_tell, args=("pause", run_id))
        stoppable = active and run["command"] != "stop"
        st.button("Stop", icon=":material/stop:", key="stop", disabled=not stoppable, on_click=_tell, args=("stop", run_id))


def all_buttons(runs: Sequence[Mapping[str, Any]]) -> None:
    """Pause or stop several runs at once."""
    active = [run for run in runs if status.is_active(run)]
    paused = [run["run_id"] for run in active if run["status"] == "paused"]
    moving = [run["run_id"] for run in active if run["status"] != "paused"]
    with st.container(horizontal=True, horizontal_alignment="right"):
        if paused and not moving:
            st.button("Resume all", icon=":material/play_arrow:", key="resume", type="primary", on_click=_tell, args=("resume", *paused))
        else:
            st.button("Pause all", icon=":material/pause:", key="pause", disabled=not moving, on_click=_tell, args=("pause", *moving))
        st.button(
            "Stop all",
            icon=":material/stop:",
            key="stop",
            disabled=not active,
            on_click=_tell,
            args=("stop", *(r["run_id"] for r in active)),
        )


def _tell(verb: str, *run_ids: str) -> None:
    tell: Callable[[str], Any] = getattr(lab.manager(), verb)
    for run_id in run_ids:
        try:
            tell(run_id)
        except ValueError as error:
            st.toast(str(error), icon=":material/error:")
