"""Anytime Progressive Pruning (Misra et al., arXiv 2204.01640): prune a little before each megabatch, then train on it."""

from collections.abc import Iterator
from itertools import pairwise

from ..config import RunConfig
from ..errors import InputError
from .base import Segment, densities, training

CHOICES = {"app": "APP: pruned at each megabatch"}
LOOK = {"app": {"dash": "solid", "symbol": "circle"}}


def segments(config: RunConfig) -> Iterator[Segment]:
    """A prune point at the schedule's density before each megabatch's training."""
    for megabatch, density in enumerate(densities(config)):
        yield Segment("prune", megabatch, density=density)
        yield from training(config, megabatch, density)


def check(config: RunConfig, per_epoch: list[int]) -> None:
    """Check that densities fall: pruned weights do not return, so a rising schedule cannot be followed."""
    asked = densities(config)
    if any(later > earlier for earlier, later in pairwise(asked)):
        raise InputError(
            f"tau: with {config.tau:g} the density would have to rise from {asked[0]:.3f} to {asked[-1]:.3f}, and pruned weights do not "
            "return; choose tau of at least 1, or one megabatch",
            "tau",
        )
