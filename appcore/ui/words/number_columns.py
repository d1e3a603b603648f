"""Numbers of the registry on screen, as a column of a table or as a card: name, format and help are the same on every page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from appcore.analysis.measures import MEASURES


def metric(name: str, value: str) -> None:
    """A card with one number, which is written already."""
    about = MEASURES[name]
    st.metric(about.label, value, help=about.help)


def column(name: str, *, width: int | None = None) -> Any:
    """The configuration of a column that holds a number in its unit."""
    about = MEASURES[name]
    form = "localized" if about.is_count else f"%{'+' if about.is_difference else ''}.{about.digits}f"
    return st.column_config.NumberColumn(about.head, format=form, help=about.help, width=width)


def spread(name: str) -> Any:
    """The column beside it: the standard deviation over the runs of a group."""
    about = MEASURES[name]
    help = "Standard deviation over the runs of the group"
    return st.column_config.NumberColumn(f"± {about.short}", format=f"%.{about.digits}f", help=help)


def columns(names: Iterable[str]) -> dict[str, Any]:
    """The configuration of every one of these columns that is a number of the registry."""
    return {name: column(name) for name in names if name in MEASURES}
