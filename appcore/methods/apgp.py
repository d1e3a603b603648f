"""Anytime progressive growing and pruning: the density of 0.8 ** tau at the end of every megabatch, without knowing T.

APP's density depends on the length T of the stream, which a stream that goes on for ever does not have. Growing and pruning was announced
by APP's authors; no paper is known, so this schedule is this project's own proposal. With d = 0.8 ** tau:
- megabatch t (from 0) opens at density u_t = d + (1 - d) * keep_growth ** t: the first dense, each later one by growing from d to u_t.
  New weights go where the loss gradient on the scoring set is largest, and start at 0. New data get room to say what they need, and ever
  less, since each megabatch is a smaller share of what was seen;
- within the megabatch the density falls again from u_t to d by the cubic rule of gradual pruning (arXiv 1710.01878), with the chosen
  pruner, at prune points between epochs; d is reached after `prune_until` of the epochs and the rest trains at d.
So whenever the stream ends after a megabatch, the network has density d, and nothing here reads T: a longer stream has the plan of a
shorter one as its beginning. The same holds for any replay, since the schedule does not depend on it. With T = 1 it is gradual pruning.
With one epoch per megabatch there is no room to grow and prune: it prunes once to d and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..config import RunConfig
from .base import Segment, cubic, epoch_of
from .growth import enlarged, gradients

CHOICES = {"apgp": "APGP: grows and prunes"}
LOOK = {"apgp": {"dash": "10px,3px,2px,3px,2px,3px", "symbol": "triangle-down"}}
GROWS_BY_GRADIENT = True
MOVES_WEIGHTS = True
OPTIONS = {
    "keep_growth": {"default": 0.5, "ge": 0.0, "le": 1.0, "help": "How far the next megabatch grows, as a share of what this one grew"},
    "prune_until": {
        "default": 0.6,
        "ge": 0.05,
        "le": 1.0,
        "help": "Share of a megabatch's epochs after which the final density is reached",
    },
}


def segments(config: RunConfig) -> Iterator[Segment]:
    """Each megabatch: grow, prune between epochs, test at the final density."""
    for megabatch in range(config.megabatches):
        yield from _megabatch(config, megabatch)


def _megabatch(config: RunConfig, megabatch: int) -> Iterator[Segment]:
    final = 0.8**config.tau
    reached = final if megabatch else 1.0
    for epoch in range(config.epochs):
        density = target(config, megabatch, epoch)
        if density != reached:
            yield Segment("prune", megabatch, epoch, density, detail="grow" if density > reached else "")
            reached = density
        yield epoch_of(config, megabatch, epoch, reached)
    yield Segment("test", megabatch, config.epochs - 1, reached)


def target(config: RunConfig, megabatch: int, epoch: int) -> float:
    """The density at which an epoch is trained."""
    final, last = 0.8**config.tau, config.epochs - 1
    if last == 0:
        return final
    grown = config.option("method", "keep_growth") ** megabatch
    start = final + (1.0 - final) * (grown if grown > 1e-6 else 0.0)  # smaller differences are less than a weight in a million
    return cubic(epoch / (config.option("method", "prune_until") * last), start, final)


def new_masks(state: Any, segment: Segment) -> dict[str, Any] | None:
    """Grown masks where the density rises; the pruner makes the others."""
    if segment.detail != "grow":
        return None
    return enlarged(state, gradients(state, segment.megabatch), segment.density)
