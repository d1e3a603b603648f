"""Random generators keyed by place, never by history: each draw has its own, named by its purpose and its place in the run.

Nothing here touches the process-wide generators, which threads share. So runs are paired and a resume is exact without
saving any generator state.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def key(seed: int, purpose: str, *place: int | str) -> int:
    """A 63-bit seed from (seed, purpose, place...), stable over versions and machines."""
    text = "/".join(str(part) for part in (seed, purpose, *place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *place: int | str) -> torch.Generator:
    """A fresh CPU generator for one purpose at one place. CPU even for CUDA runs, so that both draw the same numbers."""
    import torch

    return torch.Generator().manual_seed(key(seed, purpose, *place))
