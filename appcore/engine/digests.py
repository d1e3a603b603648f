"""Hashes of tensors, to see whether two runs are bit-identical."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

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
