"""Peak memory of a run, and whether the process keeps freed memory while the run goes on."""

from __future__ import annotations

import ctypes
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_MMAP_THRESHOLD, _TRIM_THRESHOLD, _NEVER = -3, -1, 1 << 30  # of glibc's mallopt
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak(device: torch.device) -> None:
    """Reset the peak, so that a run does not report what an earlier one in this process held."""
    if device.type == "cuda":
        import torch

        if torch.cuda.is_initialized():  # before that, nothing was held
            torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):  # Linux alone can; elsewhere the peak stays that of the process
        _CLEAR.write_text("5")


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory held since `forget_peak`: allocated on the device for CUDA, else the peak resident set of this process."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def keep_freed() -> None:
    """Let the process keep what a training step frees for the next step, where the C library is glibc: else each step asks the system
    for its pages again, 3,000 faults in a step of ResNet-20."""
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _NEVER)
        libc.mallopt(_TRIM_THRESHOLD, _NEVER)


def give_back() -> None:
    """Give freed memory back to the system: a run has ended."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
