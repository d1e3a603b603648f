"""Links that were written before something got another name keep working."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.errors import StreamlitAPIException

METRICS = {"CER (test errors added up)": "CER"}  # as menus called a number before: its label now


def renamed(name: str, words: Mapping[str, str]) -> None:
    """Put the words of today (`words` maps those of before to them) into the address and draw the page again.

    To be called before the menu `name` is drawn, which takes its first choice from the address as it was when the script began.
    """
    asked = st.query_params.get_all(name)
    if all(words.get(text, text) == text for text in asked):
        return
    try:
        st.query_params[name] = [words.get(text, text) for text in asked]
    except StreamlitAPIException:  # the menu has been drawn: what is chosen in it counts
        return
    st.rerun()
