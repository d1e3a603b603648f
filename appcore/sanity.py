"""Controls for a finished mask (Frankle et al., arXiv 2009.08576): what is lost when only part of its information is kept?

A mask that does no better than its shuffle owes its merit to the layers' densities alone. Fresh initial values, the fourth control,
are `models.base.initialise`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shuffled(masks: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Each layer's mask in a random order: same counts, other places. The generator is a CPU one, also for masks on a GPU."""
    orders = {name: torch.randperm(mask.numel(), generator=generator) for name, mask in masks.items()}
    return {name: mask.reshape(-1)[orders[name].to(mask.device)].view(mask.shape) for name, mask in masks.items()}


def random_like(masks: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Random masks that keep as many weights of each layer. In law the same as `shuffled`: the two show the spread of the control."""
    found = {}
    for name, mask in masks.items():
        chosen = torch.zeros(mask.numel(), dtype=torch.bool)
        chosen[torch.randperm(mask.numel(), generator=generator)[: int(mask.count_nonzero())]] = True
        found[name] = chosen.view(mask.shape).to(mask.device)
    return found


def inverted(scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """Scores that keep what the criterion would remove first; give it to `pruning.select` as `change`."""
    return {name: -score for name, score in scores.items()}
