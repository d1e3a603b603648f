"""Lifelong tickets, bottom-up (Chen et al., Long Live the Lottery, ICLR 2021): a ticket that grows when it falls behind.

A dense network, the reference, is trained over the whole stream beside the ticket. In each megabatch
- round 0 trains the reference, from the one of the megabatch before (at first from the initial weights);
- round 1 trains the ticket from the same weights as the reference, masked. While its validation accuracy is less than `accept_gap` below
  that of the reference, the ticket stays as it is;
- else round 2 lets it grow. From the reference of this megabatch on, the weights of the ticket are *protected*, and of the others `rate` of
  those that remain are removed in each step, by magnitude over the whole network, with `tune_share` of the epochs at `tune_lr` times the
  learning rate after each. That ends when validation accuracy is `stop_gap` or more below the reference and the density at most
  `most_density`; the ticket is the mask before that step, or that of the last of `search_steps`. It is then trained as in round 1.
The first ticket is found in the same way in round 1 of the first megabatch, with nothing to protect. So a ticket only ever gains weights.
What is compared is validation accuracy, of the weights that would be carried on; the published code judges on test images. The density
cannot be set, only steered, by the two gaps: plans name 1.0, and a prune point names what came out. A plan holds every step that there may
be; those that are not needed are left out, so a run may be much shorter than its plan. tau, schedule, scope and pruner are not used.
With growth=never the first ticket stays for the whole stream: the control that shows what growth is worth.
Deviations: tickets are tested after training from where the reference began, so that both had the same images and epochs; the distillation
of the paper is left out, as for ll-td. With few validation images a gap of a point is less than one image: choose larger gaps there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..config import RunConfig
from ..errors import InputError
from ..masks import selection
from .base import Segment, epoch_of
from .iterative import left_of, tuned, tuning

CHOICES = {"ll-bu": "LL-BU: tickets grown bottom-up"}
LOOK = {"ll-bu": {"colour": "#00838F", "dash": "9px,3px,3px,3px,3px,3px", "symbol": "triangle-right"}}
IS_STEERED = True
MOVES_WEIGHTS = True
OPTIONS = {
    "rate": {"default": 0.2, "ge": 0.01, "le": 0.95, "help": "Share of the remaining unprotected weights that a step removes"},
    "search_steps": {"default": 26, "ge": 1, "le": 100, "help": "Steps of a search at most; the fewer, the more a ticket gains"},
    "stop_gap": {"default": 0.02, "ge": -1.0, "le": 1.0, "help": "A search ends this far below the reference (accuracy, a fraction)"},
    "most_density": {"default": 0.1, "ge": 0.0, "le": 1.0, "help": "A search does not end at a higher density than this"},
    "accept_gap": {"default": 0.01, "ge": -1.0, "le": 1.0, "help": "A ticket grows from this far below the reference on"},
    "growth": {"default": "needed", "in": ("needed", "never"), "help": "never: the first ticket stays for the whole stream (control)"},
    "tune_share": {"default": 0.3, "ge": 0.0, "le": 1.0, "help": "Epochs after each step, as a share of a megabatch's (at least one)"},
    "tune_lr": {"default": 0.01, "ge": 0.0, "le": 1.0, "help": "Learning rate after each step, as a share of that of the megabatch"},
}
_NOISE = 9  # digits to which two accuracies are compared: 0.82 - 0.81 is less than 0.01 as floats are


def segments(config: RunConfig) -> Iterator[Segment]:
    """Each megabatch: the reference; the ticket; the search for a larger one, and its training; the test."""
    yield Segment("keep", 0)
    for megabatch in range(config.megabatches):
        if megabatch:
            yield Segment("prune", megabatch, detail="reference")
        yield from _training(config, megabatch)
        yield Segment("reference", megabatch, config.epochs - 1)
        last = 0
        if megabatch:
            last = 1
            yield Segment("prune", megabatch, round=last, detail="ticket")
            yield from _training(config, megabatch, round=last)
            yield Segment("compare", megabatch, config.epochs - 1, round=last)
        if megabatch == 0 or config.option("method", "growth") == "needed":
            last += 1
            yield from _search(config, megabatch, last)
            yield Segment("prune", megabatch, round=last, detail="grown")
            yield from _training(config, megabatch, round=last, detail="grown")
        yield Segment("advance", megabatch, config.epochs - 1, round=last)
        yield Segment("test", megabatch, config.epochs - 1, round=last)


def _training(config: RunConfig, megabatch: int, **values: Any) -> Iterator[Segment]:
    return (epoch_of(config, megabatch, epoch, 1.0, **values) for epoch in range(config.epochs))


def _search(config: RunConfig, megabatch: int, number: int) -> Iterator[Segment]:
    for step in range(config.option("method", "search_steps")):
        yield Segment("prune", megabatch, round=number, detail="search" if step else "begin search")
        yield from tuning(config, megabatch, config.epochs + step * tuned(config), round=number, detail="search")
        yield Segment("judge", megabatch, tuned(config) - 1, round=number, detail="search")


def check(config: RunConfig, per_epoch: list[int]) -> None:
    """A ticket is compared with a reference that starts from the same weights."""
    if config.reinit:
        raise InputError("reinit: ll-bu compares trainings that go on from one megabatch to the next; leave it off", "reinit")


def is_needed(state: Any, segment: Segment) -> bool:
    """A search while it is open, and the training of a ticket that grew."""
    return bool(state.numbers[_IF[segment.detail]]) if segment.detail in _IF else True


_IF = {"begin search": "is_open", "search": "is_open", "grown": "grows"}


def carry_out(state: Any, segment: Segment) -> None:
    """keep: the initial weights; reference, compare, judge: what validation says; advance: the next reference begins here."""
    if segment.kind == "keep":
        state.keep_weights()
    elif segment.kind == "reference":
        state.keep("reference", state.carried())
        state.numbers["reference"] = state.best.val_accuracy
        _open(state, segment.megabatch == 0)
        if segment.megabatch == 0:  # nothing is protected, and until a step is taken the ticket is everything
            state.keep("ticket", {name: mask.clone() for name, mask in state.masks.items()})
    elif segment.kind == "compare":
        _open(state, _behind(state) >= state.config.option("method", "accept_gap"))
    elif segment.kind == "judge":
        _judge(state)
    else:
        state.keep("kept", state.kept("reference"))
        state.keep("reference", {})
        state.keep("protected", {})
        state.numbers.clear()


def _open(state: Any, wanted: bool) -> None:
    """Begin a search, or leave the ticket as it is."""
    state.numbers |= {"is_open": float(wanted), "grows": float(wanted)}
    state.keep("protected", {name: mask.clone() for name, mask in state.kept("ticket").items()})


def _behind(state: Any) -> float:
    """How far the best epoch since the last cut is below the reference, in validation accuracy."""
    return round(state.numbers["reference"] - state.best.val_accuracy, _NOISE)


def _judge(state: Any) -> None:
    """Take the mask of this step as the ticket, or end the search with that of the step before; end it too where nothing would be left."""
    option = state.config.option
    if _behind(state) >= option("method", "stop_gap") and state.density() <= option("method", "most_density"):
        state.numbers["is_open"] = 0.0
        return
    state.keep("ticket", {name: mask.clone() for name, mask in state.masks.items()})
    state.set_momentum({})
    if left_of(sum(state.kept_by_layer().values()), state.config) < 1:
        state.numbers["is_open"] = 0.0


def new_masks(state: Any, segment: Segment) -> dict[str, Any]:
    """All weights, the ticket, or one step of the search; with the weights that the training of these masks begins at."""
    import torch

    everything = {name: torch.ones_like(mask) for name, mask in state.masks.items()}
    if segment.detail == "search":
        return _step(state, state.masks)
    state.set_masks(everything)
    state.rewind("reference" if segment.detail == "begin search" else "kept")
    if segment.detail == "begin search":
        return _step(state, everything)
    return everything if segment.detail == "reference" else state.kept("ticket")


def _step(state: Any, masks: dict[str, Any]) -> dict[str, Any]:
    """The protected weights, and of the other kept ones those that a step leaves, largest first."""
    protected = state.kept("protected")
    free = {name: mask & ~protected[name] if protected else mask for name, mask in masks.items()}
    count, total = sum(selection.count(free).values()), sum(mask.numel() for mask in free.values())
    scores = {name: state.model.get_parameter(name).detach().abs() for name in masks}
    left = selection.keep_top(scores, left_of(count, state.config) / total, eligible=free)
    return {name: protected[name] | left[name] if protected else left[name] for name in masks}
