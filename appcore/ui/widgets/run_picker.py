"""The picker of several runs, kept in the address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from appcore.recordings import catalog

from ..app import page
from ..words import run_text
from ..words.text import plain
from . import run_search

Runs = Sequence[dict[str, Any]]
MOST = 12
USUAL = 6  # the most that are picked by themselves


def pick(everything: dict[str, dict[str, Any]], usual: Callable[[dict[str, Any]], bool] = lambda run: True) -> list[str]:
    """The runs of the address (?runs=a,b), changed by the picker; without one, the newest group among the runs that are `usual`.

    The picker opens on a press: the page's rail names the runs, and twelve of them here too would fill a projector's picture.
    """
    if "runs" not in st.query_params:
        st.query_params["runs"] = ",".join(newest_group([run for run in everything.values() if usual(run)] or list(everything.values())))
    asked = page.requested("runs")
    known = [run_id for run_id in dict.fromkeys(asked) if run_id in everything][:MOST]
    missing = [run_id for run_id in asked if run_id not in everything]
    st.session_state["picked_runs"] = known
    with st.popover("Add or remove runs", icon=":material/checklist:", key="pick-runs", width="content"):
        st.multiselect(
            "Runs",
            run_search.offered(everything, known, "picked_runs"),
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
    return f"{run['title'] or run['run_id']} · {run_text.which(run)}"


def newest_group(runs: Runs) -> list[str]:
    """The runs that were started together last, in their order, six at most; `runs` are sorted, the newest first, recorded ones last.

    Where all are recorded, the pair that the gallery begins with.
    """
    first = [run["run_id"] for run in runs if run["recorded"] and run["recorded"]["name"] in catalog.GALLERY[0].recordings]
    if first and all(run["recorded"] for run in runs):
        return first[:USUAL]
    sizes = Counter(run["group_id"] for run in runs if run["group_id"])
    group = next((run["group_id"] for run in runs if sizes[run["group_id"]] > 1), None)
    chosen = [run for run in runs if run["group_id"] == group] if group else runs[:2]
    return [run["run_id"] for run in reversed(chosen)][:USUAL]
