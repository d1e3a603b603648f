"""Gradual magnitude pruning (Zhu and Gupta, arXiv 1710.01878): density falls by a cubic rule while the network trains.

The rule: density(p) = final + (1 - final) * (1 - p) ** 3, with p from 0 to 1 over the training. Choices and deviations:
- the training is the whole stream, so the rule needs T: p = i / (prune_until * (N - 1)), at most 1, before epoch i of the N = T * epochs;
  a run of one epoch is pruned to the final density at once;
- the last quarter of the epochs trains at the final density, as is usual where gradual pruning is a baseline: RigL's paper (1911.11134)
  changes masks until step 25,000 of 32,000, jaxpruner's recipe for ImageNet until 25,000 of 31,200. (Until the last epoch in runs that were
  recorded before this was the default.)
- pruned between epochs, not every few hundred steps;
- the chosen pruner ranks (the paper's magnitude is the default); pruned weights do not return. The paper prunes each layer to the same
  density, which is scope layer; the default here is global;
- the best epoch of a megabatch is sought among those after its last prune point, since earlier weights do not fit the mask.
"""

from collections.abc import Iterator

from ..config import RunConfig
from .base import Segment, cubic, epoch_of, final_density

CHOICES = {"gmp": "GMP: pruned between epochs"}
LOOK = {"gmp": {"dash": "dashdot", "symbol": "cross"}}
OPTIONS = {
    "prune_until": {
        "default": 0.75,
        "was": 1.0,
        "ge": 0.05,
        "le": 1.0,
        "help": "Share of all epochs after which the final density is reached",
    },
}
RECIPE = {"gmp": {"pruner": "magnitude"}}


def segments(config: RunConfig) -> Iterator[Segment]:
    """A prune point before each epoch at which the cubic rule asks for less than is kept."""
    final, reached = final_density(config), 1.0
    for megabatch in range(config.megabatches):
        for epoch in range(config.epochs):
            density = cubic(_share(config, megabatch * config.epochs + epoch), 1.0, final)
            if density < reached:
                reached = density
                yield Segment("prune", megabatch, epoch, density)
            yield epoch_of(config, megabatch, epoch, reached)
        yield Segment("test", megabatch, config.epochs - 1, reached)


def _share(config: RunConfig, position: int) -> float:
    last = config.megabatches * config.epochs - 1
    return min(1.0, position / (config.option("method", "prune_until") * last)) if last else 1.0
