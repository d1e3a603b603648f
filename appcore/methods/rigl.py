"""RigL (Evci et al., arXiv 1911.11134): sparse from the start; small weights die, those with the largest gradient are born.

Sparse at 0.8 ** tau from initialisation on, by a random mask with Erdos-Renyi-kernel shares per layer (pruner and scope can be others).
An update drops in each layer a fraction of the weights, smallest magnitude first, and brings back as many where the gradient is largest;
the fraction falls from `drop` to 0 by a cosine until `update_until`, after which the mask is fixed. Every layer's density stays. Choices
and deviations:
- an update follows the optimizer's step on the batch that gives its gradient; the paper leaves that step out;
- a weight is not brought back by the update that drops it; new weights start at 0 without momentum, as published;
- `updates_per_epoch`, because 100 steps, the paper's interval, are more than a small stream has; update_every=100 is the paper's. What
  falls on the last step of an epoch waits for the next step: what is validated and kept is trained.
The stream case (open in the paper): the cosine starts again with each megabatch, as the learning rate does. So it needs no T, and new
data change the mask most when they arrive.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..config import RunConfig
from .base import Segment, final_density, training
from .growth import exchange, is_due

CHOICES = {"rigl": "RigL: regrown by gradient"}
LOOK = {"rigl": {"dash": "longdashdot", "symbol": "hexagon"}}
OPTIONS = {
    "drop": {
        "default": 0.3,
        "ge": 0.0,
        "le": 1.0,
        "help": "Share of a layer's weights that an update exchanges at first; falls by a cosine",
    },
    "updates_per_epoch": {"default": 1, "ge": 1, "le": 1000, "help": "Mask updates in each epoch"},
    "update_every": {"default": 0, "ge": 0, "le": 1000000, "help": "Steps between mask updates, instead of so many per epoch (0: off)"},
    "update_until": {"default": 0.75, "ge": 0.0, "le": 1.0, "help": "Share of a megabatch's training after which its mask is fixed"},
}
GROWS_BY_GRADIENT = True
MOVES_WEIGHTS = True
RECIPE = {"rigl": {"pruner": "random", "scope": "erk"}}


def segments(config: RunConfig) -> Iterator[Segment]:
    """One prune point at the final density, then train on each megabatch."""
    final = final_density(config)
    yield Segment("prune", 0, density=final)
    for megabatch in range(config.megabatches):
        yield from training(config, megabatch, final)


def fraction(config: RunConfig, share: float) -> float:
    """Share of weights that an update exchanges when `share` of the megabatch's training is done."""
    until = config.option("method", "update_until")
    return config.option("method", "drop") / 2 * (1 + math.cos(math.pi * share / until)) if share < until else 0.0


def after_step(state: Any, segment: Segment, step: int, steps: int) -> int:
    """Exchange weights when an update is due."""
    config = state.config
    every = config.option("method", "update_every") or steps / config.option("method", "updates_per_epoch")
    exchanged = fraction(config, (segment.epoch + step / steps) / config.epochs)
    if not exchanged or not is_due(segment, step, steps, every):
        return 0
    weights = dict(state.model.named_parameters())
    return exchange(state, {name: weights[name].grad.abs() for name in state.masks}, exchanged)
