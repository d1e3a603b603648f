"""The contract of a method: one file that defines what happens over the stream, as a list of segments.

A file offers `CHOICES = {name: title}` and one function, `segments(config) -> Iterator[Segment]`, pure and free of torch. Optional:
`OPTIONS = {parameter: {"default", "ge", "le", "help"}}` (with "was" where runs recorded before `subset_seed` had another default),
`RECIPE = {name: {RunConfig field: value}}` (what RunConfig takes for fields left out), `PRUNES = False` (every weight is kept),
`IS_STEERED = True` (it finds its own masks: no pruner is used, and its densities cannot be named beforehand), `GROWS_BY_GRADIENT =
True` (pruned weights come back by their gradients, in `after_step` those of the step, in `new_masks` those of the scoring set; these
are counted in FLOPs), `MOVES_WEIGHTS = True` (it chooses single weights by itself, so `granularity` has to be weight), `LOOK = {name:
{"short", "dash", "symbol"}}` (how its runs are drawn; "colour" too where no pruner is used), and the functions below, which the engine
calls where a file has them. `state` is the RunState, whose masks, weights and momentum they may change; what they need from one
segment to the next belongs in `state.extra` (tensors) and `state.numbers`. They draw from `seeds.generator` keyed by place, yield
nothing, and import torch inside.

- `check(config, per_epoch)`: InputError for settings that make no sense; `per_epoch` are the training images of an epoch, by megabatch.
- `requested(state, segment) -> float`: the density to cut to at a prune segment, where a plan cannot know it; else `segment.density`.
- `new_masks(state, segment) -> dict | None`: the masks of a prune segment in place of the pruner's; None leaves it to the pruner.
- `carry_out(state, segment)`: a segment of a kind of the method's own.
- `is_needed(state, segment) -> bool`: False leaves out a segment that the run has shown to be unnecessary. A plan names all there may be.
- `network(state, segment) -> callable`: x to logits, where this is not the model itself; used to evaluate in that segment.
- `train_step(state, segment, x, y, sums) -> bool`: a training step of the method's own; False leaves it to the engine.
- `after_step(state, segment, step, steps) -> int`: called after each training step (from 1); how many weights it brought back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .. import plugins
from ..config import RunConfig
from ..errors import InputError
from .learning_rate import learning_rate


@dataclass(frozen=True)
class Segment:
    """One step of the plan; after each a run can stop and resume.

    kind prune: cut to `density` (fraction kept) with the pruner; epoch: one pass over the replay-inclusive megabatch, beginning at
    `learning_rate`, then validation; test: restore the best weights and evaluate on the test set; reinit: fresh initial values;
    other kinds are carried out by the method. `megabatch`, `epoch` and `round` (passes over the epochs of a megabatch, counted over the
    run, or within the megabatch where each has the same ones) count from 0; `density` is the requested one in force, 1.0 where none is
    named (what it means by layer: `RunState.goal`; by scope flops it is a share of the FLOPs). `draw` is the epoch whose data order is
    drawn (-1: that of `epoch`), `skip_steps` the steps left out at its beginning, `detail` a word for the method itself.
    """

    kind: str
    megabatch: int
    epoch: int = 0
    density: float = 1.0
    learning_rate: float = 0.0
    index: int = -1
    round: int = 0
    draw: int = -1
    skip_steps: int = 0
    detail: str = ""


def hook(config: RunConfig, name: str) -> Any:
    """An optional part of the chosen method's file, or None."""
    return getattr(plugins.load("methods", config.method), name, None)


def densities(config: RunConfig) -> tuple[float, ...]:
    """Requested density for each megabatch, from the chosen schedule."""
    return plugins.load("schedules", config.schedule).densities(config)


def final_density(config: RunConfig) -> float:
    """Where the schedule ends: 0.8 ** tau."""
    return densities(config)[-1]


def epoch_of(config: RunConfig, megabatch: int, epoch: int, density: float, **values: Any) -> Segment:
    """One epoch, with the learning rate that it begins with."""
    return Segment("epoch", megabatch, epoch, density, learning_rate(config, epoch), **values)


def training(config: RunConfig, megabatch: int, density: float) -> Iterator[Segment]:
    """The epochs of one megabatch and the test that ends it."""
    for epoch in range(config.epochs):
        yield epoch_of(config, megabatch, epoch, density)
    yield Segment("test", megabatch, config.epochs - 1, density)


def steps_of(images: int, batch_size: int) -> int:
    """Training steps of an epoch; a lone last image joins the batch before it."""
    return -(-images // batch_size) - (images > batch_size and (images - 1) % batch_size == 0)


def spread(rounds: int, megabatches: int) -> list[int]:
    """Number of rounds in each megabatch: evenly spread, with at least one in the first."""
    done = [-(-rounds * t // megabatches) for t in range(megabatches + 1)]
    return [after - before for before, after in pairwise(done)]


def cubic(share: float, start: float, final: float) -> float:
    """Density of Zhu and Gupta's rule (arXiv 1710.01878) when `share` of the way from density `start` to `final` is done."""
    return final + (start - final) * (1.0 - min(1.0, share)) ** 3


def rewind_epoch(config: RunConfig) -> int:
    """The epoch before which weights are kept for rewinding; the default is lowered for short runs."""
    return min(config.option("method", "rewind_epoch"), config.epochs - 1)


def check_rewind(config: RunConfig) -> None:
    """Refuse a given rewind point outside the epochs, which would otherwise be moved silently."""
    wanted: Any = config.options.get("rewind_epoch", 0)
    if wanted >= config.epochs:
        raise InputError(f"options: rewind_epoch = {wanted} must be less than epochs, {config.epochs}", "options")
