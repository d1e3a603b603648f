"""The log of a run on its page: the last lines that its worker process has printed, wherever it ran."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from appcore.runner import run_log

from ..app import page
from ..widgets import download
from ..words import format
from ..words.text import harmless

_LINES = 20
_LOOKED_AT = 32_768  # bytes, at each drawing


def show(run: Mapping[str, Any], *, is_open: bool = False) -> None:
    """The end of the log, with a download of the whole; nothing where there is none."""
    try:
        found = page.manager().log(run["run_id"], _LOOKED_AT)
    except ValueError as error:
        st.caption(f":material/subject: The log: {harmless(error)}")
        return
    if found is None:
        return
    log = run_log.last_lines(run_log.Log(**found), _LINES)
    with st.expander("Log", expanded=is_open, icon=":material/subject:", key="run_log"):
        st.code(log.text.rstrip("\n"), language=None, wrap_lines=True)
        written = format.age(datetime.fromtimestamp(log.written, UTC).isoformat())
        which = f"The last {_LINES} lines of what" if log.is_cut else "What"
        st.caption(f"{which} the run's worker processes have printed, the last of it {written}.")
        most = min(log.size, run_log.MOST_BYTES)
        download.button(
            f"Log ({most / 1e6:.1f} MB)" if most >= 1e5 else f"Log ({most / 1e3:.1f} kB)",
            lambda: _whole(run["run_id"]),
            f"{run['run_id']}-log.txt",
            "text/plain",
            icon=":material/download:",
            key="download_log",
            help=None if most == log.size else f"Its end: all of it are {format.size(log.size)}",
        )


def _whole(run_id: str) -> bytes:
    found = page.manager().log(run_id)
    return found["text"].encode() if found else b""
