"""The question whether a Python file may be run as a network, below its path: naming it, as a link can, runs nothing."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from appcore.errors import OverLimitError
from appcore.models import own_code

from ..app import page
from ..words.text import harmless

_SAID = "_own_file_said"


def ask(arch: str, take: Callable[[str], None]) -> bool:
    """The warning and the button; `take(name)` is called with the name of what was allowed. Whether it asks: not where the file is allowed
    as it is now, and not where it can never be, which the setting's own message says."""
    brought = None
    try:
        own_code.check(arch)
        if not own_code.has_changed(arch):
            return False
        words, label = "The file has changed since it was allowed; a run would take it as it was then.", "Allow and use it as it is now"
    except ValueError as error:
        if isinstance(error, OverLimitError) or not own_code.can_be_named(arch):
            return False
        words, label, brought = own_code.WARNING, "Allow and use", own_code.restored(arch)
        if brought:
            words, label = f"The file came with a backup. {own_code.WARNING}", "Allow and use what came with the backup"
    st.warning(harmless(words), icon=":material/warning:")
    if brought:
        with st.expander("Read it"):
            st.code(brought.read_text(encoding="utf-8", errors="replace"), language="python")
    st.button(harmless(label), key="allow-code", on_click=_allow, args=(arch if brought else arch.partition("@")[0], take))
    if said := st.session_state.pop(_SAID, ""):
        st.markdown(f":red[:material/error: {harmless(said)}]")
    return True


def _allow(arch: str, take: Callable[[str], None]) -> None:
    try:
        manager = page.manager()
        take(manager.allow_restored_code(arch) if "@" in arch else manager.allow_code(arch))
    except ValueError as error:
        st.session_state[_SAID] = str(error)
