"""Links that were written before something got another name keep working."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

METRICS = {"CER (test errors added up)": "CER"}  # as menus called a number before: its label now


def renamed(name: str, words: Mapping[str, str]) -> None:
    """Put the words of today (`words` maps those of before to them) into the address; to be called before the menu `name` is drawn."""
    asked = st.query_params.get_all(name)
    if any(words.get(text, text) != text for text in asked):
        with suppress(StreamlitAPIException):  # the menu is drawn already and has the say
            st.query_params[name] = [words.get(text, text) for text in asked]
