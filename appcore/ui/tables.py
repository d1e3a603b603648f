"""Every figure of a page as a table: one switch, in the address, for people who read numbers or cannot see the picture."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from . import live


def switch() -> bool:
    """The switch of a page."""
    return st.toggle("As tables", key="tables", bind="query-params", help="Every figure as a table that can be sorted and downloaded")


def figure(key: str, token: Hashable, build: Callable[[], go.Figure], table: Callable[[], pd.DataFrame], *, alt: str) -> None:
    """The figure, or its numbers under the same question when the switch is on."""
    if not st.session_state.get("tables"):
        live.chart(key, token, build, alt=alt)
        return
    made = build()
    with st.container(key=f"{key}-table"):
        st.markdown(f"**{made.layout.title.text}**  \n:small[{made.layout.title.subtitle.text}]")
        st.dataframe(table(), hide_index=True, height=360, alt=alt)


def matrix(values, rows, columns, corner: str) -> pd.DataFrame:
    """A matrix with its row names as the first column; fractions become percent."""
    frame = pd.DataFrame(100 * values, columns=[str(column) for column in columns]).round(1)
    frame.columns = _distinct(list(frame.columns))
    frame.insert(0, corner, [str(row) for row in rows])
    return frame


def _distinct(names: list[str]) -> list[str]:
    """A table cannot have two columns of one name."""
    return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]
