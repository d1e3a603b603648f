"""Lifelong tickets, top-down (Chen et al., Long Live the Lottery, ICLR 2021): iterative pruning that goes on over the stream.

Each megabatch is trained with the ticket so far. Then the rounds due in it remove `rate` of the remaining weights each, by magnitude over
the whole network, and between two of them `tune_share` of the epochs are trained at `tune_lr` times the learning rate. The ticket that
is left is rewound to the initial weights of the run and trained on the megabatch; a mask is nested in the one before. Few rounds come early
and many late, R * ((t + 1) / T) ** 2 of R by the end of megabatch t (from 0), so that the first megabatches, which the method cannot give
anything back to, decide little: with T = 5 and tau 14 that leaves the 80, 64, 32.8, 13.4 and 4.4 % that were published.
R follows from tau as for imp, so the density is named, as that of every method that a schedule prunes. Exactly ceil(rate * remaining)
weights go in a round.
Deviations: the network is tested after the ticket was trained from its initial weights, not before it was cut, so that the accuracy is that
of the density beside it. The teacher of the paper (distillation from the previous network, on further unlabelled images) is left out: it
belongs to the training, not to the pruning. Without replay a rewind forgets what earlier megabatches taught; the paper replays exemplars.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ..config import RunConfig
from .base import Segment, epoch_of
from .iterative import check_rounds, requested, rounds, tuning

__all__ = ["carry_out", "check", "requested", "segments"]

CHOICES = {"ll-td": "LL-TD: tickets pruned top-down"}
LOOK = {"ll-td": {"dash": "14px,4px", "symbol": "triangle-left"}}
OPTIONS = {
    "rate": {"default": 0.2, "ge": 0.01, "le": 0.95, "help": "Share of the remaining weights that a round removes"},
    "tune_share": {"default": 0.3, "ge": 0.0, "le": 1.0, "help": "Epochs between two rounds, as a share of a megabatch's (at least one)"},
    "tune_lr": {"default": 0.01, "ge": 0.0, "le": 1.0, "help": "Learning rate between two rounds, as a share of that of the megabatch"},
}
RECIPE = {"ll-td": {"pruner": "magnitude"}}


def due(config: RunConfig) -> list[int]:
    """Rounds of each megabatch: few early, many late."""
    done = [round(rounds(config) * (t / config.megabatches) ** 2) for t in range(config.megabatches + 1)]
    return [after - before for before, after in pairwise(done)]


def segments(config: RunConfig) -> Iterator[Segment]:
    """Each megabatch: train; the rounds that are due, trained a little in between; the ticket from its initial weights; test."""
    done = 0
    place: dict[str, Any] = {"density": 1.0, "round": 0}
    yield Segment("keep", 0)
    for megabatch, count in enumerate(due(config)):
        yield from (epoch_of(config, megabatch, epoch, **place) for epoch in range(config.epochs))
        for left in reversed(range(count)):
            done += 1
            place = {"density": (1.0 - config.option("method", "rate")) ** done, "round": done}
            yield Segment("prune", megabatch, **place)
            yield from tuning(config, megabatch, **place) if left else ()
        if count:
            yield Segment("rewind", megabatch, **place)
            yield from (epoch_of(config, megabatch, epoch, **place) for epoch in range(config.epochs))
        yield Segment("test", megabatch, config.epochs - 1, **place)


def check(config: RunConfig, per_epoch: list[int]) -> None:
    """At least one round."""
    check_rounds(config)


def carry_out(state: Any, segment: Segment) -> None:
    """keep: remember the initial weights; rewind: return to them, pruned ones at 0, with a fresh optimizer."""
    if segment.kind == "keep":
        state.keep_weights()
    else:
        state.rewind()
