"""A bell for a fragment that the page no longer has draws the page as any press does, and shows no error."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def bells() -> None:
    import streamlit as st

    from appcore.ui.widgets import bell

    @st.fragment(key="here")
    def here() -> None:
        st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1

    here()
    st.session_state["whole"] = st.session_state.get("whole", 0) + 1
    for name in ("here", "gone"):
        st.button(name, on_click=bell._draw, args=(name,))


@pytest.mark.parametrize(("button", "drawn", "whole"), [("here", 2, 1), ("gone", 2, 2)])
def test_it_draws_its_fragment_alone_and_one_that_is_gone_is_no_error(button: str, drawn: int, whole: int) -> None:
    app = AppTest.from_function(bells).run()
    next(one for one in app.button if one.label == button).click().run()
    assert not app.exception
    assert (app.session_state["drawn"], app.session_state["whole"]) == (drawn, whole)
