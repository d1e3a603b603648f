"""The numbers of runs to take away: a table for a paper in LaTeX and Markdown, and the recorded tables as files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis.measures import MEASURES
from appcore.analysis.repeats import grouped

from ..app import old_links, page
from ..widgets import paper_table, run_files
from ..words.text import cells, harmless

Runs = Sequence[dict[str, Any]]


def show(runs: Runs) -> None:
    """The table of these runs, one row for each experiment, and everything that is recorded of them."""
    st.subheader("A table for a paper", anchor=False)
    offered = {name: MEASURES[name].head for name in charts.COLUMNS}
    old_links.renamed("numbers", offered)
    chosen = st.multiselect(
        "Columns", list(offered), default=list(paper_table.USUAL), key="numbers", bind="query-params", format_func=offered.__getitem__
    )
    megabatches = page.store().megabatches([run["run_id"] for run in runs])
    table, caption = paper_table.of_experiments(grouped(runs), megabatches, chosen)
    st.dataframe(cells(table), hide_index=True, alt="Mean and standard deviation of each experiment")
    st.caption(f"{harmless(caption)} Only finished runs count.")
    paper_table.codes(table, caption)
    st.subheader("Everything that is recorded", anchor=False)
    with st.container(width=420, key="recorded"):
        run_files.downloads(runs)
    st.page_link(page.link("runs"), label="Choose runs in the library", icon=":material/inventory_2:")
