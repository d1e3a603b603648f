"""Shared by methods that remove a share of the remaining weights in each round: how many rounds there are, and what a round leaves.

Offers no method itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ..config import RunConfig
from ..errors import InputError
from .base import Segment


def rounds(config: RunConfig) -> int:
    """Rounds of removing `rate` that come nearest to density 0.8 ** tau."""
    return round(config.tau * (math.log(0.8) / math.log(1.0 - config.option("method", "rate"))))


def check_rounds(config: RunConfig) -> None:
    """Refuse a final density that is not one round away from the dense network."""
    if rounds(config) < 1:
        raise InputError(
            f"tau: {config.tau:g} is not one round of pruning for {config.method}; choose at least 0.5, or method dense", "tau"
        )


def left_of(count: int, config: RunConfig) -> int:
    """How many of `count` weights a round leaves: it removes ceil(rate * count)."""
    rate = Fraction(str(config.option("method", "rate")))  # 0.2 as a float is slightly more, which ceil would round up
    return count - math.ceil(rate * count)


def requested(state: Any, segment: Segment) -> float:
    """The density after removing ceil(rate * remaining) weights; that of the plan where it is no share of all weights."""
    if not state.config.counts_weights:
        return segment.density
    total = sum(mask.numel() for mask in state.masks.values())
    return left_of(sum(state.kept_by_layer().values()), state.config) / total


def tuning(config: RunConfig, megabatch: int, first_draw: int = 0, **values: Any) -> Iterator[Segment]:
    """The epochs of a round that is only tuned: `tune_share` of those of a megabatch, at least one, at `tune_lr` times the learning rate.

    `first_draw`: the epoch whose data order the first of them takes.
    """
    rate = config.lr * config.option("method", "tune_lr")
    for epoch in range(tuned(config)):
        yield Segment("epoch", megabatch, epoch, learning_rate=rate, draw=first_draw + epoch, **values)


def tuned(config: RunConfig) -> int:
    """Epochs of a round that is only tuned."""
    return max(1, round(config.option("method", "tune_share") * config.epochs))
