"""Sparse Evolutionary Training (Mocanu et al., arXiv 1707.04780): sparse from the start; small weights die, random ones are born.

Sparse at 0.8 ** tau from initialisation on, by a random mask with Erdos-Renyi-kernel shares per layer (pruner and scope can be others).
Once per epoch each layer drops `drop` of its weights of smallest magnitude and gets as many at random, so every layer's density stays.
Choices and deviations:
- magnitude ranks positive and negative weights together; the paper drops the same share of each;
- new weights start at 0 (the paper draws them), and are not those just dropped;
- an update comes after the first step of an epoch, not after the last of the epoch before: what is validated and kept is trained. The first
  epoch of the run has none, so there is one update less than epochs.
The stream case: nothing depends on T. The first step of a new megabatch updates too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import seeds
from ..config import RunConfig
from .base import Segment, final_density, training
from .growth import exchange, is_due

CHOICES = {"set": "SET: regrown at random"}
MOVES_WEIGHTS = True
LOOK = {"set": {"dash": "dot", "symbol": "star"}}
OPTIONS = {"drop": {"default": 0.3, "ge": 0.0, "le": 1.0, "help": "Share of a layer's weights that an update exchanges"}}
RECIPE = {"set": {"pruner": "random", "scope": "erk"}}


def segments(config: RunConfig) -> Iterator[Segment]:
    """One prune point at the final density, then train on each megabatch."""
    final = final_density(config)
    yield Segment("prune", 0, density=final)
    for megabatch in range(config.megabatches):
        yield from training(config, megabatch, final)


def after_step(state: Any, segment: Segment, step: int, steps: int) -> int:
    """Exchange weights once per epoch."""
    import torch

    if not is_due(segment, step, steps, every=steps):
        return 0
    place = (segment.megabatch, segment.epoch, step)
    scores = {
        name: torch.rand(mask.shape, generator=seeds.generator(state.config.seed, "set", *place, name)).to(mask.device)
        for name, mask in state.masks.items()
    }
    return exchange(state, scores, state.config.option("method", "drop"))
