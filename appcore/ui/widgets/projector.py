"""Projector mode: large type and thick lines for presentations. It persists across pages and is part of the address (?projector=1)."""

from __future__ import annotations

import streamlit as st

SCALE = 1.4
_KEY = "projector"
_CHOSEN = "_projector"  # what was chosen last: `st.switch_page` forgets elements, also those of every page
_LARGE = f"""
html {{ font-size: {100 * SCALE:.0f}% !important; }}
[data-testid='stMainBlockContainer'] {{ max-width: none; padding: 50px 24px 16px; }}
[data-testid='stMainBlockContainer'] > [data-testid='stVerticalBlock'] {{ gap: 0.25rem; }}
h1 {{ font-size: 1.25rem !important; line-height: 1.2 !important; padding: 0 !important; }}
:is([data-testid='stHeading'], .st-key-answer) [data-testid='stMarkdownContainer'] {{ margin-bottom: 0; }}
.st-key-again, .st-key-answer p, .st-key-answer [data-testid='stElementContainer']:not(:has(h4)) {{ display: none; }}
.st-key-answer {{ padding: 0.3rem 0.8rem; }}
.st-key-answer h4 {{ font-size: 0.85rem; padding: 0; }}
.st-key-run-head, .st-key-run-head [data-testid='stVerticalBlock'] {{ gap: 0; }}
.st-key-run-head p {{ font-size: 0.7rem; }}
.st-key-run-head button {{ min-height: 0; padding: 0.2rem 0.6rem; }}
.st-key-of-run {{ padding-bottom: 0; }}
.st-key-of-run a :is(p, span) {{ font-size: 16px; }}
[data-testid='stProgress'] p {{ font-size: 0.75rem; }}
.st-key-compare-head :is(button, p) {{ font-size: 0.75rem; min-height: 0; }}
.st-key-compare-head button {{ padding: 0.15rem 0.5rem; }}
.playback {{ font-size: 0.68rem !important; padding: 0 !important; }}
.playback button {{ width: 1.3rem !important; height: 1.3rem !important; }}
.playback svg {{ width: 0.9rem !important; height: 0.9rem !important; }}
.playback input {{ margin: 0.35rem 0 !important; }}
:has(> .st-key-playback), :has(> .st-key-answer) {{ margin-bottom: -0.6rem; }}
.st-key-compare-head {{ margin-top: -0.4rem; }}
.rail {{ font-size: 0.68rem !important; line-height: 1.15 !important; }}
.rail .run {{ padding: 0.12rem 0 !important; grid-template-columns: 1.2rem 0.7rem 1fr auto !important; }}
.rail .eye svg {{ width: 0.9rem !important; height: 0.9rem !important; }}
.rail .is-over .state {{ display: none; }}
.st-key-traceback, .st-key-varied, .st-key-more, .st-key-what-if-words {{ display: none; }}
.st-key-what-if-choices {{ display: grid; grid-template-columns: 5fr 4fr; gap: 0.7rem; align-items: end; }}
.st-key-what-if-choices, .st-key-what-if-question {{ zoom: 0.7; }}
.st-key-what-if-question [data-testid='stColumn'] {{ margin-bottom: -0.6rem; }}
.st-key-masks-pick label, .st-key-masks-state:not(:has(.st-key-follow_masks)) {{ display: none; }}
[data-testid='stAlertContainer'] {{ padding: 0.15rem 0.8rem; }}
[data-testid='stAlertContainer'] p {{ font-size: 0.75rem; }}
"""  # at 1280 x 720 a whole chart is to be seen at once, so what stands above it is small


def switch() -> None:
    """Draw the switch and, when it is on, enlarge the page."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = st.query_params.get(_KEY) == "1" or bool(st.session_state.get(_CHOSEN))
    with st.container(key="projector-switch"):
        st.toggle("Projector", key=_KEY)
    if is_on() and st.query_params.get(_KEY) != "1":
        st.query_params[_KEY] = "1"
    elif not is_on() and _KEY in st.query_params:
        del st.query_params[_KEY]
    st.session_state[_CHOSEN] = is_on()
    if is_on():
        st.html(f"<style>{_LARGE}</style>")


def is_on() -> bool:
    """Whether charts are drawn for projection, too."""
    return bool(st.session_state.get(_KEY))


def scale() -> float:
    """The magnification of everything drawn."""
    return SCALE if is_on() else 1.0
