"""Continuous Sparsification (Savarese, Silva and Maire, arXiv 1912.04427): masks learned by gradient descent, as steepening sigmoids.

In a search, forward uses w * sigmoid(beta * s) / sigmoid(s0) and the loss has lambda * sum(sigmoid(beta * s)) added; s has its own SGD
without weight decay. beta grows exponentially from 1 to final_beta over the epochs of a round; between rounds s becomes
min(beta * s, s0) and beta 1 again, while the weights go on. The ticket is 1[s > 0]: the weights are rewound to epoch `rewind_epoch` of the
first round and trained with the mask, by a fresh optimizer, over all epochs. The density cannot be set, only steered by s0: plans name 1.0,
and a prune point names what came out. tau, schedule, scope and pruner are not used.
Choices and deviations:
- Everything is rewound: weights, BatchNorm with its statistics, and linear layers, as in the published code.
- The published code divides the weights of the ticket too by sigmoid(s0); here they are what the mask leaves of the rewound ones, since at
  epoch 2 a soft weight still acts as about w itself.
- The learning rate of s (its own option) drops at the same epochs as that of the weights; its momentum is the configured one and lasts
  through the rounds. Each round draws its own data orders; the ticket sees those of the first.
The stream case (open in the paper): the rounds are spread evenly over the megabatches, the first never without. A megabatch with rounds
searches from the weights and s that it finds (s cooled to min(beta * s, s0), as between rounds), takes a ticket, rewinds to epoch k of this
megabatch and trains it; the other megabatches just train the ticket. A weight that a ticket removed stays removed. With T = 1 this is
the published method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..config import RunConfig
from ..errors import InputError
from .base import Segment, check_rewind, epoch_of, rewind_epoch, spread, training

CHOICES = {"cs": "CS: learned soft masks"}
LOOK = {"cs": {"colour": "#9C6B4E", "dash": "5px,2px", "symbol": "x"}}
IS_STEERED = True
MOVES_WEIGHTS = True
OPTIONS = {
    "search_rounds": {"default": 3, "ge": 1, "le": 100, "help": "Rounds of search in the whole stream"},
    "s0": {"default": 0.0, "ge": -5.0, "le": 5.0, "help": "Initial soft mask: lower is sparser (-0.1), higher denser (0.1)"},
    "final_beta": {"default": 200.0, "ge": 1.0, "le": 100000.0, "help": "Temperature at the end of a round: how hard the masks become"},
    "mask_lr": {"default": 0.1, "ge": 0.0, "le": 100.0, "help": "Learning rate of the soft masks"},
    "mask_penalty": {"default": 1e-8, "ge": 0.0, "le": 1.0, "help": "Lambda: weight of the sum of soft masks in the loss"},
    "rewind_epoch": {"default": 2, "ge": 0, "le": 10000, "help": "Epoch to whose weights the ticket is rewound"},
}


def segments(config: RunConfig) -> Iterator[Segment]:
    """Each megabatch: its rounds of search if any are due, the ticket, the rewind; then training and the test."""
    done = 0
    for megabatch, due in enumerate(spread(config.option("method", "search_rounds"), config.megabatches)):
        for extra in range(due):
            for epoch in range(config.epochs):
                if extra == 0 and epoch == rewind_epoch(config):
                    yield Segment("keep", megabatch, epoch, round=done)
                draw = extra * config.epochs + epoch
                yield epoch_of(config, megabatch, epoch, 1.0, round=done, draw=draw, detail="search")
            last = extra == due - 1
            yield Segment("prune" if last else "cool", megabatch, config.epochs - 1, round=done)
            done += 1
        if due:
            yield Segment("rewind", megabatch, round=done)
        yield from (replace(segment, round=done) for segment in training(config, megabatch, 1.0))


def check(config: RunConfig, per_epoch: list[int]) -> None:
    """A rewind point inside the training, and rounds that run to their end."""
    check_rewind(config)
    if config.patience:
        raise InputError(
            "patience: cs needs every epoch of a round, or its masks never harden; choose patience 0 or another method", "patience"
        )


def beta(config: RunConfig, epoch: int) -> float:
    """Temperature at an epoch of a round: 1 at the first, final_beta at the last."""
    return config.option("method", "final_beta") ** (epoch / max(1, config.epochs - 1))


def soft(state: Any) -> dict[str, Any]:
    """The soft mask parameters s by weight name, which the first search starts at s0."""
    import torch

    weights = dict(state.model.named_parameters())
    s0 = state.config.option("method", "s0")
    for name in state.masks:
        if f"s/{name}" not in state.extra:
            state.extra[f"s/{name}"] = torch.full_like(weights[name], s0, requires_grad=False)
            state.extra[f"s-momentum/{name}"] = torch.zeros_like(weights[name], requires_grad=False)
    return {name: state.extra[f"s/{name}"] for name in state.masks}


def effective(state: Any, segment: Segment, s: dict[str, Any]) -> dict[str, Any]:
    """The weights that forward uses in a search."""
    weights = dict(state.model.named_parameters())
    hardness, scale = beta(state.config, segment.epoch), 1.0 + math.exp(-state.config.option("method", "s0"))  # 1 / sigmoid(s0)
    return {name: weights[name] * (hardness * s[name]).sigmoid() * scale for name in s}


def network(state: Any, segment: Segment) -> Callable:
    """x to logits: through the soft masks in a search."""
    from torch.func import functional_call

    if segment.detail != "search":
        return state.model
    return lambda x: functional_call(state.model, effective(state, segment, soft(state)), (x,))


def train_step(state: Any, segment: Segment, x: Any, y: Any, sums: Any) -> bool:
    """One step on weights and soft masks together."""
    import torch
    from torch.func import functional_call
    from torch.nn.functional import cross_entropy

    if segment.detail != "search":
        return False
    config, s = state.config, {name: value.detach().requires_grad_() for name, value in soft(state).items()}
    with torch.autocast(x.device.type, state.dtype, enabled=state.dtype != torch.float32):
        logits = functional_call(state.model, effective(state, segment, s), (x,))
        loss = cross_entropy(logits, y, label_smoothing=config.label_smoothing)
    hardness = beta(config, segment.epoch)
    penalty = config.option("method", "mask_penalty") * sum((hardness * value).sigmoid().sum() for value in s.values())
    state.optimizer.zero_grad(set_to_none=True)
    (loss + penalty).backward()
    state.descend()
    rate = config.option("method", "mask_lr") * state.optimizer.param_groups[0]["lr"] / config.lr
    with torch.no_grad():
        for name, value in s.items():
            momentum = state.extra[f"s-momentum/{name}"].mul_(config.momentum).add_(value.grad)
            state.extra[f"s/{name}"].sub_(momentum, alpha=rate)
    state.apply_masks()
    sums.add(logits, loss, y)
    return True


def new_masks(state: Any, segment: Segment) -> dict[str, Any]:
    """The ticket: s > 0, among the weights of the previous ticket; the soft masks are cooled for a later search."""
    from ..masks import selection

    masks = {name: (s > 0) & state.masks[name] for name, s in soft(state).items()}
    if not any(selection.count(masks).values()):
        raise ValueError(
            "every soft mask of Continuous Sparsification ended at or below 0, so nothing is left; raise s0 or lower mask_penalty"
        )
    return masks


def carry_out(state: Any, segment: Segment) -> None:
    """keep: remember all weights; cool: s for the next round; rewind: the ticket's weights, with a fresh optimizer, and s as by cool."""
    if segment.kind == "keep":
        state.keep_weights()
        return
    if segment.kind == "rewind":
        state.rewind()
        state.forget_kept()
        for name in state.masks:  # a search starts without momentum; so removed weights, whose s has no other gradient, stay below 0
            state.extra[f"s-momentum/{name}"].zero_()
    final, s0 = beta(state.config, state.config.epochs - 1), state.config.option("method", "s0")
    for s in soft(state).values():
        s.mul_(final).clamp_(max=s0)
