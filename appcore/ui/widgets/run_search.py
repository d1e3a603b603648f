"""Menus of runs in a store of thousands: the newest ones, and a field that finds the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from ..app import library
from ..words.text import harmless

OFFERED = 200  # more options than this make a page slow, and are not read through


def offered(everything: Mapping[str, dict[str, Any]], kept: Iterable[str | None], key: str) -> list[str]:
    """The ids that a menu offers: all; of very many the newest that fit what is searched for in a field drawn here, and those `kept`.

    `key` is that of the menu. Words and conditions are those of the page Runs.
    """
    if len(everything) <= OFFERED:
        return list(everything)
    text = st.text_input(
        f"Find a run among {len(everything):,}",
        key=f"{key}_search",
        type="search",
        icon=":material/search:",
        placeholder="words, or sparsity>90 pruner=snip",
        help=f"As on the page Runs. The menu offers the newest {OFFERED} that fit.",
        width=260,
    )
    fitting = list(everything)
    try:
        fitting = library.fitting(list(everything.values()), text) if text else fitting
    except ValueError as error:
        st.caption(f":red[:material/error: {harmless(str(error))}]")
    shown = {*fitting[:OFFERED], *kept}
    return [run_id for run_id in everything if run_id in shown]
