"""Measures of the registry as table columns or cards, with the same name, format and help on every page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from appcore.analysis.measures import MEASURES

INFO = "ⁱ"  # in the head of a column that says more when it is pointed at


def metric(name: str, value: str) -> None:
    """A card with one number, given as text."""
    about = MEASURES[name]
    st.metric(about.label, value, help=about.about)


def column(name: str, *, width: int | None = None, head: str = "") -> Any:
    """The configuration of a column with a measure in its unit, under its own heading or a shorter one."""
    about = MEASURES[name]
    form = "localized" if about.is_count else f"%{'+' if about.is_difference else ''}.{about.digits}f"
    return st.column_config.NumberColumn(f"{head or about.head} {INFO}", format=form, help=about.about, width=width)


def spread(name: str) -> Any:
    """The column next to it: the standard deviation over the runs of a group."""
    about = MEASURES[name]
    help = "Standard deviation over the runs of the group"
    return st.column_config.NumberColumn(f"± {about.short}", format=f"%.{about.digits}f", help=help)


def columns(names: Iterable[str]) -> dict[str, Any]:
    """The configuration of all of these columns that are measures of the registry."""
    return {name: column(name) for name in names if name in MEASURES}
