"""The ways in that Start offers first: a tour, the lessons, the playground, a live pair. A way whose page is not here is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st

from ..app import page_files
from ..words.text import harmless


@dataclass(frozen=True)
class Way:
    """A link to a page, which is thereby no longer among what else is here."""

    name: str
    page: str
    label: str
    icon: str
    about: str
    query: dict[str, str] = field(default_factory=dict)


WAYS = (
    Way("tour", "lessons", "Two-minute tour", ":material/tour:", "One recorded pair in five pictures, led by hand.", {"lesson": "tour"}),
    Way("lessons", "lessons", "Eight lessons", ":material/school:", "Claims about pruning: guess first, then see what was measured."),
    Way(
        "playground",
        "playground",
        "Cut a network yourself",
        ":material/hub:",
        "A thousand weights in the browser: drag a slider, see what mattered.",
    ),
)


def show(first_pair: Callable[[], None]) -> set[str]:
    """Cards side by side, the last one with the button that starts a live pair; returns the pages that they lead to."""
    known = page_files.found()
    here = [way for way in WAYS if way.page in known]
    with st.grid(len(here) + 1, min_column_width=230, gap="medium", key="ways-in"):
        for way in here:
            with st.container(border=True, height="stretch", gap="xsmall", key=f"way-{way.name}"):
                st.page_link(known[way.page].path, label=f"**{harmless(way.label)}**", icon=way.icon, query_params=way.query or None)
                st.caption(harmless(way.about))
        with st.container(border=True, height="stretch", gap="xsmall", key="pair"):
            first_pair()
    return {way.page for way in here}
