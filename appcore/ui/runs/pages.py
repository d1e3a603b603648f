"""The pages and the order of a long table: a browser is sent some hundred rows at a time, and orders only what it was sent."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from appcore import names
from appcore.analysis.measures import MEASURES

ROWS = 200  # of a page
_NUMBERS = ("test_accuracy", "generalization_gap", "cer", "sparsity", "clean_gap", "seconds")
ORDERS = {  # as in the menu and in the address: column, whether the smallest comes first
    f"{MEASURES[name].label}, {word} first": (name, word == "lowest") for name in _NUMBERS for word in ("highest", "lowest")
}
ORDERS = {"oldest first": ("created", True), **ORDERS}


def part(rows: pd.DataFrame, picked: Sequence[str]) -> pd.DataFrame:
    """The rows of the page that is shown, which is chosen here and stands in the address; all of a short table.

    A table that is opened with `picked` runs begins with the page of the first of them.
    """
    if len(rows) <= ROWS:
        return rows
    count = -(-len(rows) // ROWS)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="table-pages"):
        order = st.selectbox("Order", list(ORDERS), index=None, key="order", bind="query-params", placeholder="newest first", width=290)
        if order:
            name, is_upwards = ORDERS[order]
            rows = rows.sort_values(name, ascending=is_upwards, kind="stable", na_position="last") if name in rows else rows
        if st.session_state.get("table_page", 1) > count:  # fewer rows fit than before
            st.session_state["table_page"] = count
        shown = st.pagination(count, default=_place(rows, picked) // ROWS + 1, key="table_page", bind="query-params")
    first = ROWS * (shown - 1)
    found = rows.iloc[first : first + ROWS]
    st.caption(f"Rows {first + 1:,} to {first + len(found):,} of {names.counted(len(rows), 'row')}; Order is that of all of them.")
    return found


def _place(rows: pd.DataFrame, picked: Sequence[str]) -> int:
    """The place of the first row all of whose runs are picked; 0 where there is none."""
    wanted = set(picked)
    return next((place for place, ids in enumerate(rows["run_ids"]) if wanted and wanted.issuperset(ids)), 0)
