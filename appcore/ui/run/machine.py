"""Where a run trains, and what its process takes of that machine: as the process itself says, which may be far from this page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from appcore.statuses import STARTED

from ..words import format
from ..words.text import harmless


def line(run: Mapping[str, Any]) -> None:
    """A line with host, device and launcher, and of a run that trains with the numbers of its process; nothing where no process of this
    store has driven it."""
    is_driven, found = run["status"] in STARTED, (run["progress"] or {}).get("machine") or {}
    host = run["host"] if is_driven else found.get("host")  # of a run that waits again the row names who keeps it
    if not host or run.get("recorded"):
        return
    has_said = host == found.get("host")
    device = found["device"] if has_said else (run["started"] or {}).get("device")
    facts = [host, device, f"launcher {run['launcher']}" if run["launcher"] else "", f"process {run['pid']}" if is_driven else ""]
    words = [f"{'Trains' if is_driven else 'Trained'} on {', '.join(filter(None, facts))}"]
    if run["status"] == "running" and has_said:
        words += _taken(found)
    st.caption(f":material/memory: {harmless(' · '.join(words))}")


def _taken(found: Mapping[str, Any]) -> list[str]:
    words = [
        f"processor {100 * found['processor']:.0f} % of {100 * found['cores']:.0f} %",
        f"memory {format.size(found['memory'])} of {format.size(found['memory_total'])}",
    ]
    if gpu := found.get("gpu"):
        words.append(f"GPU {100 * gpu['load']:.0f} %, {format.size(gpu['memory'])} of {format.size(gpu['memory_total'])}")
    return words
