"""Keeps links working that were written before something was renamed."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.errors import StreamlitAPIException

METRICS = {"CER (test errors added up)": "CER"}  # previous label of a number in menus: its present label


def renamed(name: str, words: Mapping[str, str]) -> None:
    """Replace previous names in the address by present ones (`words` maps them) and draw the page again.

    Call it before the menu `name` is drawn, which takes its first choice from the address as it was when the script began.
    """
    asked = st.query_params.get_all(name)
    if all(words.get(text, text) == text for text in asked):
        return
    try:
        st.query_params[name] = [words.get(text, text) for text in asked]
    except StreamlitAPIException:  # the menu has been drawn: what is chosen in it counts
        return
    st.rerun()
