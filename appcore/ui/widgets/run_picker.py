"""The picker of several runs, kept in the address, and their legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from appcore import charts

from ..app import page
from ..words import format, run_status, run_text
from ..words.text import harmless, plain

Runs = Sequence[dict[str, Any]]
MOST = 12

SHAPES = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "cross": "✚", "star": "★", "hexagon": "⬢", "x": "✖"}


def pick(everything: dict[str, dict[str, Any]]) -> list[str]:
    """The runs of the address (?runs=a,b), changed by the picker; without one, the newest group."""
    if "runs" not in st.query_params:
        st.query_params["runs"] = ",".join(_newest_group(list(everything.values())))
    asked = page.requested("runs")
    known = [run_id for run_id in dict.fromkeys(asked) if run_id in everything][:MOST]
    missing = [run_id for run_id in asked if run_id not in everything]
    st.session_state["picked_runs"] = known
    st.multiselect(
        "Runs",
        list(everything),
        format_func=lambda run_id: _option(everything[run_id]),
        key="picked_runs",
        on_change=_picked,
        max_selections=MOST,
        placeholder="Pick two or more runs",
    )
    if missing:
        not_here(missing)
    return known


def not_here(asked: Sequence[str]) -> None:
    """Name runs of the address that are not in the store."""
    st.caption(f":orange[:material/search_off: Not in this store: {plain(', '.join(asked), 300)}]")


def _picked() -> None:
    st.query_params["runs"] = ",".join(st.session_state["picked_runs"])


def _option(run: dict[str, Any]) -> str:
    return f"{run['title'] or run['run_id']} · {format.age(run['created'])} · {run['run_id'][-4:]}"


def _newest_group(runs: Runs) -> list[str]:
    for run in runs:
        together = sorted(other["run_id"] for other in runs if run["group_id"] and other["group_id"] == run["group_id"])
        if len(together) > 1:
            return together[:MOST]
    return [run["run_id"] for run in runs[:2]]


def legend(runs: Runs) -> None:
    """Each run's mark, name, state and settings; the marks are those of the figures."""
    looks = charts.looks(runs)
    lines = []
    for run in runs:
        look = looks[run["run_id"]]
        mark = f'<span style="color:{look.colour}">{SHAPES[look.symbol]}</span>'
        lines.append(f"{mark} **{harmless(look.label)}** {run_status.markdown(run)} {run_text.summary(run)}")
    st.markdown("  \n".join(lines), unsafe_allow_html=True)
