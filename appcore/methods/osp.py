"""Anytime one-shot pruning: pruned once before the first megabatch, straight to the final density (baseline of arXiv 2204.01640)."""

from collections.abc import Iterator

from ..config import RunConfig
from .base import Segment, densities, training

CHOICES = {"osp": "OSP: pruned once, at the start"}
LOOK = {"osp": {"dash": "dash", "symbol": "square"}}


def segments(config: RunConfig) -> Iterator[Segment]:
    """One prune point at the final density, then train on each megabatch."""
    final = densities(config)[-1]
    yield Segment("prune", 0, density=final)
    for megabatch in range(config.megabatches):
        yield from training(config, megabatch, final)
