"""Iterative magnitude pruning: lottery tickets (Frankle and Carbin, arXiv 1803.03635; rewinding: 1903.01611, 1912.05671).

Train to the end, remove `rate` of the remaining weights by magnitude over the whole network, rewind the rest to their values of epoch k
(late resetting when k > 0), train again, and so on. Exactly ceil(rate * remaining) weights go in each round. The number of rounds is the
whole number nearest to log(0.8 ** tau) / log(1 - rate), round(tau) for the usual rate; the density that a prune point names is the exact
one that this rounding gives.
- Everything is rewound: weights, biases and BatchNorm's statistics; the optimizer starts fresh; the learning rate and the data order go on
  from epoch k, so each round sees what the first one saw.
- `control=reinit`: the last training starts from fresh values instead (from epoch 0): same masks, another lottery.
- The weights at the end of the training are ranked, not those of the best epoch. The pruner may be another one than magnitude.
The stream case (open in the papers): the rounds are spread evenly over the megabatches, ceil(R * (t + 1) / T) of the R rounds done by the
end of megabatch t. Each megabatch is first trained to the end with the ticket so far; each of its rounds then rewinds to epoch k *of this
megabatch*, so that what earlier megabatches taught stays. With T = 1 this is the lottery ticket as published.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..config import RunConfig
from ..errors import InputError
from ..names import counted
from .base import Segment, check_rewind, epoch_of, rewind_epoch, spread, steps_of
from .iterative import check_rounds, requested, rounds

__all__ = ["after_step", "carry_out", "check", "requested", "rounds", "segments"]

CHOICES = {"imp": "IMP: lottery tickets, rewound"}
LOOK = {"imp": {"dash": "longdash", "symbol": "triangle-up"}}
OPTIONS = {
    "rate": {"default": 0.2, "ge": 0.01, "le": 0.95, "help": "Share of the remaining weights that a round removes"},
    "rewind_epoch": {
        "default": 0,
        "ge": 0,
        "le": 10000,
        "help": "Epoch k of the megabatch to whose weights a round rewinds (0: its start)",
    },
    "rewind_step": {"default": 0, "ge": 0, "le": 1000000, "help": "Steps within epoch k after which the weights are kept"},
    "control": {"default": "none", "in": ("none", "reinit"), "help": "reinit: train the last ticket from fresh initial values"},
}
RECIPE = {"imp": {"pruner": "magnitude"}}


def segments(config: RunConfig) -> Iterator[Segment]:
    """Each megabatch: train, then as often as rounds are due prune, rewind and train again; test at the end."""
    rate, keep_at = config.option("method", "rate"), rewind_epoch(config)
    done, total = 0, rounds(config)
    for megabatch, due in enumerate(spread(total, config.megabatches)):
        for extra in range(due + 1):
            place = {"density": (1.0 - rate) ** done, "round": done}
            is_control = done == total and extra > 0 and config.option("method", "control") == "reinit"
            if extra:
                yield Segment("prune", megabatch, **place)
                yield Segment("rewind", megabatch, **place, detail="reinit" if is_control else "")
            first = keep_at if extra and not is_control else 0
            for epoch in range(first, config.epochs):
                keeps = due > 0 and extra == 0 and epoch == keep_at
                if keeps and not config.option("method", "rewind_step"):
                    yield Segment("keep", megabatch, epoch, **place)
                skip = config.option("method", "rewind_step") if extra and not is_control and epoch == keep_at else 0
                yield epoch_of(config, megabatch, epoch, **place, skip_steps=skip, detail="keep" if keeps else "")
            done += extra < due
        yield Segment("test", megabatch, config.epochs - 1, **place)


def check(config: RunConfig, per_epoch: list[int]) -> None:
    """At least one round, and a rewind point inside the training."""
    check_rewind(config)
    check_rounds(config)
    keep_at = rewind_epoch(config)
    if 0 < config.patience < keep_at:
        raise InputError(
            f"patience: {config.patience} may stop a training before epoch {keep_at}, to which imp rewinds; choose more",
            "patience",
        )
    step, least = config.option("method", "rewind_step"), steps_of(min(per_epoch), config.batch_size)
    if step and step >= least:
        raise InputError(f"options: rewind_step = {step} must be less than the {counted(least, 'step')} of the shortest epoch", "options")


def carry_out(state: Any, segment: Segment) -> None:
    """keep: remember all weights; rewind: return to them (or to fresh values), pruned ones at 0, with a fresh optimizer."""
    if segment.kind == "keep":
        state.keep_weights()
    elif segment.detail == "reinit":
        state.reinitialise(f"control/{segment.megabatch}")
        state.forget_kept()
    else:
        state.rewind()
        if segment.round == _last_round(state.config, segment.megabatch):
            state.forget_kept()


def after_step(state: Any, segment: Segment, step: int, steps: int) -> int:
    """Keep the weights after `rewind_step` steps of epoch k."""
    if segment.detail == "keep" and step == state.config.option("method", "rewind_step"):
        state.keep_weights()
    return 0


def _last_round(config: RunConfig, megabatch: int) -> int:
    return sum(spread(rounds(config), config.megabatches)[: megabatch + 1])
