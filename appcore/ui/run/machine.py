"""What a run uses of the machine now: processor, memory, and the GPU if there is one. Cheap enough for every tick."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil
import streamlit as st

from appcore.statuses import STARTED
from appcore.storage import heartbeat

# One psutil object for each process, because it measures since its last call; kept where a source reload does not drop it.
_kept = sys.modules.setdefault("_pruning_lab_processes", types.ModuleType("_pruning_lab_processes")).__dict__


def line(run: Mapping[str, Any]) -> None:
    """A line about the training process; nothing when it is not on this machine."""
    if run["status"] not in STARTED or run["host"] != heartbeat.me()["host"] or run["pid"] is None:
        return
    with suppress(psutil.Error):
        process = _kept.setdefault(str(run["pid"]), psutil.Process(run["pid"]))
        words = [
            f"processor {process.cpu_percent():.0f} % of {100 * (psutil.cpu_count() or 1)} %",
            f"memory {process.memory_info().rss / 1e6:,.0f} MB of {psutil.virtual_memory().total / 1e9:.0f} GB",
            *_gpu(run),
        ]
        st.caption(f":material/memory: The process that trains: {' · '.join(words)}")


def _gpu(run: Mapping[str, Any]) -> list[str]:
    if not str((run["started"] or {}).get("device", "cpu")).startswith("cpu"):
        with suppress(Exception):  # no driver, no library, or no permission: no text about the GPU
            import pynvml

            pynvml.nvmlInit()
            device = pynvml.nvmlDeviceGetHandleByIndex(0)
            memory, load = pynvml.nvmlDeviceGetMemoryInfo(device), pynvml.nvmlDeviceGetUtilizationRates(device)
            return [f"GPU {load.gpu} %, {memory.used / 1e9:.1f} of {memory.total / 1e9:.0f} GB"]
    return []
