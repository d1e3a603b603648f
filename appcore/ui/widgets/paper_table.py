"""A table for a paper: the same numbers as LaTeX and as Markdown, each with a button that copies it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from appcore import charts
from appcore.analysis.measures import MEASURES
from appcore.analysis.repeats import Repeats
from appcore.transfer import paper_table

USUAL = ("test_accuracy", "generalization_gap", "cer", "sparsity")  # measures that fit the width of a page


def of_experiments(groups: Sequence[Repeats], megabatches: pd.DataFrame, names: Sequence[str] = USUAL) -> tuple[pd.DataFrame, str]:
    """(table, caption): one row for each experiment, with these measures."""
    table = charts.summary_table(groups, megabatches)
    table = table[[*table.columns[:2], *(MEASURES[name].head for name in charts.COLUMNS if name in names)]]
    seeds = [sum(run["status"] == "done" for run in group.runs.values()) for group in groups]
    return table, paper_table.caption(seeds, any(charts.BEST in str(value) for value in table.to_numpy().ravel()))


def codes(table: pd.DataFrame, caption: str) -> None:
    """The table in both languages, side by side."""
    with st.grid(2, min_column_width=300, gap="medium"):
        for language, words in (("LaTeX", paper_table.latex(table, caption)), ("Markdown", paper_table.markdown(table, caption))):
            with st.container(gap="xsmall"):
                st.markdown(f"**{language}**{', with the package booktabs' if language == 'LaTeX' else ''}")
                st.code(words, language=None, height=260)


def popover(key: str, make: Callable[[], tuple[pd.DataFrame, str]]) -> None:
    """A small button that opens the codes of a table; it is made while it is open."""
    with st.popover("Table for a paper", icon=":material/article:", key=key, type="tertiary", on_change="rerun") as opened:
        if opened.open:
            with st.container(width=760):
                codes(*make())
