"""Projector mode: large type and thick lines for presentations. It persists across pages and is part of the address (?projector=1)."""

from __future__ import annotations

import streamlit as st

SCALE = 1.4
_KEY = "projector"
# The switch is at the right end of the navigation bar, where it takes no space from a page.
_PLACE = """
.st-key-projector-switch { position: fixed; top: 0.75rem; right: 3.5rem; z-index: 1000000; width: auto; }
"""
_LARGE = f"html {{ font-size: {100 * SCALE:.0f}% !important; }} [data-testid='stMainBlockContainer'] {{ max-width: none; }}"


def switch() -> None:
    """Draw the switch and, when it is on, enlarge the page."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = st.query_params.get(_KEY) == "1"
    with st.container(key="projector-switch"):
        st.toggle("Projector", key=_KEY)
    if is_on() and st.query_params.get(_KEY) != "1":
        st.query_params[_KEY] = "1"
    elif not is_on() and _KEY in st.query_params:
        del st.query_params[_KEY]
    st.html(f"<style>{_PLACE}{_LARGE if is_on() else ''}</style>")


def is_on() -> bool:
    """Whether charts are drawn for projection, too."""
    return bool(st.session_state.get(_KEY))


def scale() -> float:
    """The magnification of everything drawn."""
    return SCALE if is_on() else 1.0
