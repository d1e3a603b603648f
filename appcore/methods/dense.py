"""Dense baseline: the network is never pruned (the reference of arXiv 2204.01640)."""

from collections.abc import Iterator

from ..config import RunConfig
from .base import Segment, training

CHOICES = {"dense": "Dense: never pruned"}
LOOK = {"dense": {"colour": "#6F7B8A", "dash": "solid", "symbol": "diamond"}}
PRUNES = False


def segments(config: RunConfig) -> Iterator[Segment]:
    """Train on each megabatch in turn."""
    for megabatch in range(config.megabatches):
        yield from training(config, megabatch, 1.0)
