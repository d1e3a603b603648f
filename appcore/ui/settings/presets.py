"""The presets in two labelled rows: what this machine finishes in minutes, and what takes a GPU hours."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from appcore.presets import PRESETS, ROWS, USUAL_DATA

from ..words.text import harmless

_KEY = "form_preset_{}"


def show(preset: str, is_untouched: bool, choose: Callable[[str], None]) -> None:
    """The rows, and a sentence on the chosen preset; `choose(name)` is called when another is pressed."""
    for row, (title, sentence) in ROWS.items():
        key, names = _KEY.format(row), [name for name in PRESETS if PRESETS[name].row == row]
        st.session_state[key] = preset if is_untouched and preset in names else None
        st.pills(
            f"**{title}** :gray[:small[· {sentence}]]",
            names,
            format_func=lambda name: PRESETS[name].title.removesuffix(USUAL_DATA),
            key=key,
            on_change=_pressed,
            args=(key, preset, choose),
            wrap=True,
        )
    chosen = PRESETS[preset]
    changed = "" if is_untouched else f" :orange-badge[:material/edit: changed by you, starting from {harmless(chosen.title)}]"
    st.markdown(f"{harmless(chosen.sentence)} :gray[:small[{harmless(chosen.source)}]]{changed}")


def _pressed(key: str, preset: str, choose: Callable[[str], None]) -> None:
    choose(st.session_state[key] or preset)  # pressed again: back to the preset as it is
