"""Hashes of tensors and of data, to see whether two runs are bit-identical, or could be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def digest(tensors: dict[str, Tensor] | Iterable[Tensor]) -> str:
    """SHA-256 over the bytes of tensors (names and shapes included for a dict)."""
    import torch

    found = hashlib.sha256()
    items = tensors.items() if isinstance(tensors, dict) else (("", tensor) for tensor in tensors)
    for name, tensor in items:
        found.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def digest_of_data(arrays: Iterable[np.ndarray], classes: Sequence[str]) -> str:
    """SHA-256 over images and labels as a run uses them, and the names of the classes in order. Copies nothing that is contiguous."""
    found = hashlib.sha256(json.dumps(list(classes)).encode())
    for array in arrays:
        found.update(f"{array.shape}{array.dtype}".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()
