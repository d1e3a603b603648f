"""The numbers of runs to take away: a table for a paper in LaTeX and Markdown, and the recorded tables as files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis.measures import MEASURES
from appcore.analysis.repeats import grouped
from appcore.transfer import paper_table

from ..app import old_links, page
from ..widgets import run_files
from ..words.text import cells, harmless

Runs = Sequence[dict[str, Any]]
_USUAL = ("test_accuracy", "generalization_gap", "cer", "sparsity")


def show(runs: Runs) -> None:
    """The table of these runs, one row for each experiment, and everything that is recorded of them."""
    st.subheader("A table for a paper", anchor=False)
    offered = {name: MEASURES[name].head for name in charts.COLUMNS}
    old_links.renamed("numbers", offered)
    chosen = st.multiselect(
        "Columns", list(offered), default=list(_USUAL), key="numbers", bind="query-params", format_func=offered.__getitem__
    )
    groups = grouped(runs)
    table = charts.summary_table(groups, page.store().megabatches([run["run_id"] for run in runs]))
    table = table[[*table.columns[:2], *(offered[name] for name in offered if name in chosen)]]
    seeds = [sum(run["status"] == "done" for run in group.runs.values()) for group in groups]
    has_best = any(charts.BEST in str(value) for value in table.to_numpy().ravel())
    caption = paper_table.caption(seeds, has_best)
    st.dataframe(cells(table), hide_index=True, alt="Mean and standard deviation of each experiment")
    st.caption(f"{harmless(caption)} Only finished runs count.")
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**LaTeX**, with the package booktabs")
        st.code(paper_table.latex(table, caption), language=None, height=260)
    with right:
        st.markdown("**Markdown**")
        st.code(paper_table.markdown(table, caption), language=None, height=260)
    st.subheader("Everything that is recorded", anchor=False)
    with st.container(width=420, key="recorded"):
        run_files.downloads(runs)
    st.page_link(page.link("runs"), label="Choose runs in the library", icon=":material/inventory_2:")
