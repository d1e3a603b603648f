"""A short list of runs: title, state, progress, newest result, and a link. The runs of an ablation are one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from appcore.names import counted
from appcore.statuses import ENDED

from ..app import page
from ..words import format, run_status, run_text
from ..words.text import plain

SHOWN = 8
_NAME = 70  # characters of a name
Row = dict[str, Any]


def newest() -> tuple[list[Row], list[Row]]:
    """The newest runs that stand alone, and the newest ablations; those that cannot be read are named on the page."""
    store = page.store()
    found, unreadable = store.survey(SHOWN, of_ablations=False)
    page.name_unreadable(unreadable)
    return found, store.ablations.newest(SHOWN)


def show(runs: Sequence[Row], ablations: Sequence[Row]) -> None:
    """Runs and ablations, newest first; runs that were started together have one link to compare them."""
    if not runs and not ablations:
        with st.container(border=True):
            st.markdown("**No runs yet.** The button above starts the first two; they appear here and stay when the browser is closed.")
        return
    both = sorted([*runs, *ablations], key=lambda row: row["created"], reverse=True)[:SHOWN]
    accuracies = _accuracies([row["run_id"] for row in both if "run_id" in row])
    linked: set[str] = set()
    with st.container(border=True, gap="xsmall", key="run-list"):
        for row in both:
            with st.container(horizontal=True, vertical_alignment="center"):
                if "run_id" in row:
                    _run(row, accuracies.get(row["run_id"]), runs, linked)
                else:
                    _ablation(row)


def _accuracies(run_ids: list[str]) -> dict[str, float]:
    ends = page.store().megabatches(run_ids)
    return ends.groupby("run_id")["test_accuracy"].last().to_dict()


def _run(run: Row, accuracy: float | None, runs: Sequence[Row], linked: set[str]) -> None:
    st.page_link(
        page.link("run"),
        label=f"**{plain(run['title'] or run['run_id'], _NAME)}**",
        query_params={"run": run["run_id"]},
        help=run_text.summary(run),
        width=340,
    )
    share = f" {100 * run_status.share_done(run):.0f}\u00a0%" if run_status.is_active(run) else ""
    facts = [f"{run_status.markdown(run)}{share} {_result(run, accuracy)}", format.age(run["created"])]
    st.markdown(f":small[{' · '.join(facts)}]", width="content")
    group = run["group_id"]
    together = [other for other in runs if group and other["group_id"] == group]
    if len(together) > 1 and group not in linked:
        linked.add(group)
        st.page_link(
            page.link("compare"),
            label="Compare both" if len(together) == 2 else f"Compare these {len(together)}",
            icon=":material/compare_arrows:",
            query_params={"runs": ",".join(sorted(other["run_id"] for other in together))},
            help=plain(" with ".join(other["title"] or other["run_id"] for other in together), 300),
        )


def _result(run: Row, accuracy: float | None) -> str:
    if accuracy is not None:
        return f"{format.percent(accuracy)} test"
    if run["status"] == "failed":
        return plain(run["error"] or "it ended with an error", 60)
    return "ended before a result" if run["status"] in ENDED else "no result yet"


def _ablation(row: Row) -> None:
    st.page_link(
        page.link("ablations"),
        label=f"**{plain(row['title'] or row['sweep_id'], _NAME)}**",
        query_params={"sweep": row["sweep_id"]},
        help="An ablation: its board, results and runs",
        width=340,
    )
    done = f"all {row['runs']} done" if row["done"] == row["runs"] else f"{row['done']} of {row['runs']} done"
    facts = [f":violet-badge[:material/grid_view: Ablation] {counted(row['runs'], 'run')}, {done}", format.age(row["created"])]
    st.markdown(f":small[{' · '.join(facts)}]", width="content")
