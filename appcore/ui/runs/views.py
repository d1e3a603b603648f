"""Views of the Runs page that the user has named: search, filters, groups and columns, as they stand in the address."""

from __future__ import annotations

import streamlit as st

from ..app import page
from ..words.text import plain

_NOT_KEPT = ("runs", "projector")  # picked runs are no part of a view


def chooser() -> None:
    """The saved views as links, and a field that saves what is shown now."""
    store = page.store()
    for place, (name, address) in enumerate(store.saved_views.all().items()):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(page.link("runs"), label=plain(name), icon=":material/bookmark:", query_params=address, width="stretch")
            st.button(
                "Forget",
                icon=":material/close:",
                key=f"forget-view-{place}",
                type="tertiary",
                on_click=store.saved_views.delete,
                args=(name,),
            )
    shown = {name: st.query_params.get_all(name) for name in st.query_params if name not in _NOT_KEPT}
    st.text_input("Keep this view as", key="view-name", max_chars=60, placeholder="a name, then Enter", on_change=_keep, args=(shown,))
    st.caption("Search, filters, groups and columns; a view lists what fits it on the day when it is opened.")


def _keep(shown: dict[str, list[str]]) -> None:
    name = st.session_state["view-name"]
    if not name.strip():
        return
    try:
        page.store().saved_views.keep(name, shown)
        st.session_state["view-name"] = ""
        st.toast(f"Kept: {plain(name)}", icon=":material/bookmark_added:")
    except ValueError as error:
        st.toast(plain(str(error), 300), icon=":material/error:")
