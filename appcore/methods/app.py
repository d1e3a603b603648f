"""Anytime Progressive Pruning (Misra et al., arXiv 2204.01640): prune a little before each megabatch, then train on it."""

from collections.abc import Iterator

from ..config import RunConfig
from .base import Segment, densities, training

CHOICES = {"app": "APP: pruned a little at every megabatch"}


def segments(config: RunConfig) -> Iterator[Segment]:
    """A prune point at the schedule's density before each megabatch's training."""
    for megabatch, density in enumerate(densities(config)):
        yield Segment("prune", megabatch, density=density)
        yield from training(config, megabatch, density)
