"""Measures of a run in the field's terms (arXiv 2204.01640, 2106.09563), digests, and memory. Fractions, never percent."""

from __future__ import annotations

import hashlib
import re
import resource
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pages ask for measures too, and importing torch takes seconds
    import torch
    from torch import Tensor


def generalization_gap(train_accuracy: float, val_accuracy: float) -> float:
    """Train minus validation accuracy, a fraction (on screen: percentage points)."""
    return train_accuracy - val_accuracy


def cumulative_errors(test_errors: Iterable[int]) -> int:
    """CER: the sum over megabatches of the number of misclassified test images."""
    return sum(test_errors)


def anytime_relative_errors(test_errors: Sequence[int], test_images: int) -> list[float]:
    """(errors_t - errors_{t-1}) / test images, for t = 2..T."""
    return [(now - before) / test_images for before, now in pairwise(test_errors)]


def digest(tensors: dict[str, Tensor] | Iterable[Tensor]) -> str:
    """SHA-256 over the bytes of tensors (names and shapes included for a dict)."""
    import torch

    found = hashlib.sha256()
    items = tensors.items() if isinstance(tensors, dict) else (("", tensor) for tensor in tensors)
    for name, tensor in items:
        found.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak(device: torch.device) -> None:
    """Let the peak begin anew, so that a run does not report what an earlier one in this process held."""
    if device.type == "cuda":
        import torch

        if torch.cuda.is_initialized():  # before that nothing was held
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
