"""The contract of a method: one file that says what happens over the stream, as a list of segments.

A file offers `CHOICES = {name: title}`, optionally `OPTIONS = {parameter: {"default", "ge", "le", "help"}}`, and one function,
`segments(config) -> Iterator[Segment]`, pure and free of torch (import torch inside the optional hooks). The building blocks
below cover the usual stream; `plan.plan` numbers what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .. import plugins
from ..config import RunConfig


@dataclass(frozen=True)
class Segment:
    """A step of the plan, after each of which a run can stop and resume.

    kind prune: cut to `density` (fraction kept) with the pruner; epoch: one pass over the replay-inclusive megabatch at
    `learning_rate`, then validation; test: restore the best weights and evaluate on the test set. `megabatch` and `epoch`
    count from 0; `density` is the requested one in force.
    """

    kind: Literal["prune", "epoch", "test"]
    megabatch: int
    epoch: int = 0
    density: float = 1.0
    learning_rate: float = 0.0
    index: int = -1


def densities(config: RunConfig) -> tuple[float, ...]:
    """Requested density for each megabatch, from the chosen schedule."""
    return plugins.load("schedules", config.schedule).densities(config)


def learning_rate(config: RunConfig, epoch: int) -> float:
    """The step schedule of the released code, restarted at each megabatch: x lr_gamma at each fraction of lr_drops."""
    drops = sum(epoch >= round(fraction * config.epochs) for fraction in config.lr_drops)
    return config.lr * config.lr_gamma**drops


def training(config: RunConfig, megabatch: int, density: float) -> Iterator[Segment]:
    """The epochs of one megabatch and the test that ends it."""
    for epoch in range(config.epochs):
        yield Segment("epoch", megabatch, epoch, density, learning_rate(config, epoch))
    yield Segment("test", megabatch, config.epochs - 1, density)
