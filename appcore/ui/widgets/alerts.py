"""A switch by which the browser tells that a watched run has ended, though its tab is hidden (alerts.js). Off at first, then remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from ..words import run_status

_MOST = 200  # characters of what went wrong
_HTML = """
<div class="alerts" hidden>
  <label title="A notification of the browser when a run on this page is done, failed or stopped; this tab has to stay open">
    <input type="checkbox" role="switch"> Tell me when runs end</label>
  <output></output>
</div>
"""
_beside = Path(__file__).with_suffix
_component = st.components.v2.component(
    "alerts",
    html=_HTML,
    css=_beside(".css").read_text(encoding="utf-8"),
    js=_beside(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def switch(runs: Sequence[Mapping[str, Any]]) -> None:
    """The switch for these runs; nothing is seen of it where none goes on. To be drawn at each change of their states, at one place."""
    _component(key="alerts", data={"runs": [told(run) for run in runs]}, width="content", height="content")


def told(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the browser knows of a run, as plain text."""
    why = " ".join(str(run["error"] or "").split())
    outcome = run_status.word(run)
    return {
        "id": run["run_id"],
        "title": run["title"] or run["run_id"],
        "outcome": f"{outcome}: {why if len(why) <= _MOST else f'{why[: _MOST - 1]}…'}" if why else outcome,
        "isGoing": run_status.is_active(run),
    }
