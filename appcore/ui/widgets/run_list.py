"""A short list of runs: title, state, progress, newest result, and a link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ..app import page
from ..words import format, run_status, run_text
from ..words.text import plain

SHOWN = 8


def show(runs: Sequence[dict[str, Any]]) -> None:
    """The runs, newest first; runs that were started together have one link to compare them."""
    if not runs:
        with st.container(border=True):
            st.markdown("**No runs yet.** The button above starts the first two; they appear here and stay when the browser is closed.")
        return
    accuracies = _accuracies([run["run_id"] for run in runs])
    linked: set[str] = set()
    with st.container(border=True, gap="xsmall"):
        for run in runs:
            _row(run, accuracies.get(run["run_id"]), runs, linked)


def _accuracies(run_ids: list[str]) -> dict[str, float]:
    ends = page.store().megabatches(run_ids)
    return ends.groupby("run_id")["test_accuracy"].last().to_dict()


def _row(run: dict[str, Any], accuracy: float | None, runs: Sequence[dict[str, Any]], linked: set[str]) -> None:
    name, how, result, when, pair = st.columns([4, 2.2, 1.6, 1.6, 1.9], vertical_alignment="center", gap="small")
    with name:
        st.page_link(
            page.link("run"),
            label=f"**{plain(run['title'] or run['run_id'])}**",
            icon="",
            query_params={"run": run["run_id"]},
            help=run_text.summary(run),
        )
    share = f"\u00a0:small[{100 * run_status.share_done(run):.0f}\u00a0%]" if run_status.is_active(run) else ""
    how.markdown(f"{run_status.markdown(run)}{share}")
    result.caption("no result yet" if accuracy is None else f"{format.percent(accuracy)} test")
    when.caption(format.age(run["created"]))
    group = run["group_id"]
    together = [other["run_id"] for other in runs if group and other["group_id"] == group]
    with pair:
        if len(together) > 1 and group not in linked:
            linked.add(group)
            st.page_link(
                page.link("compare"), label="Compare", icon=":material/compare_arrows:", query_params={"runs": ",".join(sorted(together))}
            )
        else:
            st.caption("")
