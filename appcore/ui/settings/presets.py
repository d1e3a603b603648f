"""The presets in labelled rows: what this machine finishes in minutes, what takes a GPU hours, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from appcore.planning import address
from appcore.presets import PRESETS, ROWS, USUAL_DATA

from ..words import run_text
from ..words.text import harmless, plain

_KEY = "form_preset_{}"
_OWN = "own"  # the row of the user's presets
_OWN_ROW = {_OWN: ("Yours", "settings that you have saved")}


def show(preset: str, overrides: Mapping[str, Any], own: address.Own, choose: Callable[[str], None]) -> None:
    """The rows; `choose(name)` is called when another preset is pressed. `overrides`: the settings that the form names."""
    is_untouched = overrides == address.of_preset(preset, own)[0]
    for row, (title, sentence) in {**ROWS, **(_OWN_ROW if own else {})}.items():
        key, names = _KEY.format(row), list(own) if row == _OWN else [name for name in PRESETS if PRESETS[name].row == row]
        st.session_state[key] = preset if is_untouched and preset in names else None
        st.pills(
            f"**{title}** :gray[:small[· {sentence}]]",
            names,
            format_func=partial(_title, own),
            key=key,
            on_change=_pressed,
            args=(key, preset, choose),
            wrap=True,
        )


def about(preset: str, overrides: Mapping[str, Any], own: address.Own) -> None:
    """A sentence on the chosen preset, and whether the form has left it."""
    is_untouched = overrides == address.of_preset(preset, own)[0]
    title = preset if preset in own else PRESETS[preset].title
    changed = "" if is_untouched else f" :orange-badge[:material/edit: changed by you, starting from {plain(title)}]"
    if preset in own:
        st.markdown(f"Your preset: {run_text.summary({'config': address.effective(overrides)})}{changed}")
    else:
        st.markdown(f"{harmless(PRESETS[preset].sentence)} :gray[:small[{harmless(PRESETS[preset].source)}]]{changed}")


def _title(own: address.Own, name: str) -> str:
    return plain(name) if name in own else PRESETS[name].title.removesuffix(USUAL_DATA)


def _pressed(key: str, preset: str, choose: Callable[[str], None]) -> None:
    choose(st.session_state[key] or preset)  # pressed again: back to the preset as it is
