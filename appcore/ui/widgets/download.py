"""A button that makes a file when it is pressed, and keeps it until the browser has fetched it.

Streamlit (1.67) drops a file that was made on demand after the second script run of *any* open tab; with pages that update
every second, that is before a slow browser asks for it, and the download fails. Here the newest files are kept referenced.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit import runtime

_KEPT = 8  # files at a time, of all users together; older ones are dropped
_slots = itertools.cycle(range(_KEPT))
_log = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")


def button(label: str, make: Callable[[], bytes], file_name: str, mime: str, **look: Any) -> None:
    """`st.download_button` for `make()`, which is called at each press and may take seconds; `look` is passed on."""

    def made() -> bytes:
        data = make()
        _keep(data, mime, file_name)
        return data

    st.download_button(label, made, file_name, mime, on_click="ignore", **look)


def _keep(data: bytes, mime: str, file_name: str) -> None:
    """Keep a reference to the file outside all sessions; its address depends only on its content, so the browser asks for this one."""
    with suppress(Exception):  # without this the file is merely short-lived
        _log.disabled = True  # it would warn that there is no session, which is intended
        runtime.get_instance().media_file_mgr.add(data, mime, f"download-{next(_slots)}", file_name=file_name, is_for_static_download=True)
    _log.disabled = False
