"""Presets of one's own: the settings now on the form are kept under a name, replaced and deleted. In the store, as views of Runs are."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from appcore.planning import address
from appcore.storage.kept.saved_addresses import MOST_NAME

from ..words.text import plain

_NAME, _OF = "preset-name", "_preset_name_of"


def keeper(preset: str, own: address.Own, keep: Callable[[str], str], forget: Callable[[], None]) -> None:
    """The field for a name, and buttons for a preset that there is. `keep(name)` returns the name as it was kept, `forget()` deletes the
    chosen preset, `preset`; both may raise InputError."""
    is_same = st.session_state.get(_OF) == preset and _NAME in st.session_state
    st.session_state[_OF] = preset
    st.session_state[_NAME] = (
        st.session_state[_NAME] if is_same else preset if preset in own else ""
    )  # said each time, or a browser may miss it
    with st.popover("Save these settings", icon=":material/bookmark_add:", key="own-preset", width="content"):
        name = st.text_input(
            "Keep these settings as", key=_NAME, max_chars=MOST_NAME, placeholder="a name, then Enter", on_change=_keep, args=(own, keep)
        )
        known = _on_one_line(name)
        if known in own:
            st.button(f"Replace {plain(known)}", key="replace-preset", icon=":material/bookmark_added:", on_click=_do, args=(keep, known))
        if preset in own:
            st.button(
                f"Delete {plain(preset)}", key="delete-preset", icon=":material/close:", type="tertiary", on_click=_do, args=(forget,)
            )
        st.caption("A preset of yours stands beside the others and in the address, `?preset=NAME`.")


def _keep(own: address.Own, keep: Callable[[str], str]) -> None:
    """Keep the settings under a new name; one that there is takes another press."""
    name = _on_one_line(st.session_state[_NAME])
    if name and name not in own:
        _do(keep, name)


def _do(act: Callable[..., str | None], *names: str) -> None:
    try:
        kept = act(*names)
    except ValueError as error:
        st.toast(plain(str(error), 300), icon=":material/error:")
    else:
        st.toast(f"Kept: {plain(kept)}" if kept else "Deleted; the form stays as it is", icon=":material/bookmark_added:")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
