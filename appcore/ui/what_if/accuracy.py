"""How right the cut network is without training: the whole cut, and one layer at a time. Worked out in the background after a press."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from appcore.analysis.what_if import Density
from appcore.charts import what_if as what_if_charts
from appcore.names import display

from ..app import page
from ..widgets import live_chart
from ..words import format
from ..words.text import harmless, plain
from .choose import Source

_CUT, _LAYERS, _WAITS = "_cut_asked", "_layers_asked", "_accuracy_waits"


def is_waiting() -> bool:
    """Whether an accuracy that was asked for is still being worked out."""
    return bool(st.session_state.get(_WAITS))


def section(source: Source, criteria: list[str], density: Density, scope: str, exempt: list[str], granularity: str) -> None:
    """Two buttons, and what they found for the present question."""
    st.subheader("How right is it without training?", anchor=False)
    place = (str(source.config), source.run_id)
    cut, layers = (place, density, scope, tuple(exempt), tuple(criteria), granularity), (place, criteria[0], granularity)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Test this cut", icon=":material/fact_check:", key="test_cut", on_click=_ask, args=(_CUT, cut))
        st.button(
            f"Cut one layer at a time by {plain(display(criteria[0]))}",
            icon=":material/stacked_bar_chart:",
            key="test_layers",
            on_click=_ask,
            args=(_LAYERS, layers),
        )
    st.caption("On the test images, in the background and with one thread. A network at its initial values guesses, cut or not.")
    manager, waits = page.manager(), False
    if st.session_state.get(_CUT) == cut:
        found = {
            name: _reply(partial(manager.cut_accuracy, source.config, source.run_id, name, density, scope, exempt, granularity))
            for name in criteria
        }
        waits |= _cut(found)
    if st.session_state.get(_LAYERS) == layers:
        waits |= _layers(criteria[0], _reply(partial(manager.sensitivity, source.config, source.run_id, criteria[0], granularity)))
    st.session_state[_WAITS] = waits


def _ask(key: str, question: tuple) -> None:
    st.session_state[key] = question


def _reply(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except ValueError as error:
        return {"state": "failed", "error": str(error)}


def _cut(found: Mapping[str, Mapping[str, Any]]) -> bool:
    """A line for each criterion; whether one is still being worked out."""
    for name, reply in found.items():
        what = harmless(display(name))
        if reply["state"] == "failed":
            st.error(f"{what}: {harmless(reply['error'])}", icon=":material/error:")
        elif reply["state"] != "ready":
            st.progress(reply.get("share", 0.0), text=f"Testing the cut by {what}; the page goes on by itself.")
        else:
            answer = reply["answer"]
            change = 100 * (answer["after"] - answer["before"])
            st.markdown(
                f"**{what}: {format.percent(answer['after'])} of {answer['images']:,} test images are right**, uncut "
                f"{format.percent(answer['before'])} ({change:+.1f} points)."
            )
    return any(reply["state"] in ("waiting", "scoring") for reply in found.values())


def _layers(criterion: str, reply: Mapping[str, Any]) -> bool:
    if reply["state"] == "failed":
        st.error(harmless(reply["error"]), icon=":material/error:")
    elif reply["state"] != "ready":
        st.progress(reply.get("share", 0.0), text="Cutting one layer after the other; the page goes on by itself.")
    else:
        answer = reply["answer"]
        live_chart.chart(
            "sensitivity",
            (reply["key"],),
            lambda: what_if_charts.sensitivity(answer, criterion),
            alt="Heatmap: test accuracy when only one layer is cut, for each layer at some sparsities",
        )
    return reply["state"] in ("waiting", "scoring")
