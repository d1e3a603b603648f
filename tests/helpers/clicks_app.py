"""A page with two buttons beside a timed fragment: how often is a click counted? With MENDED=0 as Streamlit does it."""

import os

import streamlit as st

from appcore.ui.app import streamlit_patches

if os.environ.get("MENDED") != "0":
    streamlit_patches.mend()

INTERVAL = 0.5  # seconds


def count() -> None:
    """A callback that is called once for a click, or should be."""
    st.session_state["clicks"] = st.session_state.get("clicks", 0) + 1


st.button("Outside", key="outside", on_click=count)
st.text(f"outside {st.session_state.get('clicks', 0)}")


@st.fragment(run_every=INTERVAL)
def moving() -> None:
    """Ticks, and has a button of its own."""
    st.button("Inside", key="inside", on_click=count)
    st.text(f"inside {st.session_state.get('clicks', 0)}")


moving()
