"""Glossary: "what does that word mean?" The words and numbers of the dashboard, each with an address of its own."""

import streamlit as st

from appcore.ui.app import page

PAGE = {
    "title": "Glossary",
    "icon": ":material/menu_book:",
    "order": 95,
    "help": "The words and numbers of the dashboard.",
    "in_bar": False,
}

page.guard(__file__)

from appcore.ui.words import glossary  # noqa: E402
from appcore.ui.words.text import harmless  # noqa: E402

TERMS = {anchor: (term.title, term.text) for anchor, term in glossary.TERMS.items()}

st.title("Glossary")
wanted = st.text_input("Find", key="q", type="search", bind="query-params", icon=":material/search:", placeholder="a word", width=420) or ""

asked = st.query_params.get("term", "")
NUMBERS = glossary.numbers()
if asked in TERMS or asked in NUMBERS:
    with st.container(border=True, gap=None, key="asked"):
        head, text = {**NUMBERS, **TERMS}[asked]
        st.subheader(harmless(head), anchor=False)
        st.markdown(harmless(text))


def entries(title: str, found: dict[str, tuple[str, str]]) -> None:
    """Terms as headings that links lead to."""
    shown = {
        anchor: words for anchor, words in found.items() if all(part in " ".join(words).casefold() for part in wanted.casefold().split())
    }
    if not shown:
        return
    st.header(harmless(title), anchor=False)
    with st.grid(2, min_column_width=380, gap=("medium", "small")):
        for anchor, (head, text) in sorted(shown.items(), key=lambda item: item[1][0].casefold()):
            with st.container(gap=None):
                st.subheader(harmless(head), anchor=anchor)
                st.markdown(harmless(text))


entries("Words", TERMS)
entries("Numbers", NUMBERS)
