"""APP's schedule (arXiv 2204.01640): density 0.8 ** delta, delta evenly spaced from 1 to tau.

delta counts rounds of "remove 20 % of what remains". With one megabatch the density is the final one, 0.8 ** tau.
"""

from ..config import RunConfig

CHOICES = {"exponential": "0.8 ** delta, up to tau (APP)"}
LOOK = {"exponential": {"short": "exponential"}}


def densities(config: RunConfig) -> tuple[float, ...]:
    """Density for each of the T megabatches, falling when tau > 1."""
    last = config.megabatches - 1
    if last == 0:
        return (0.8**config.tau,)
    return tuple(0.8 ** (1.0 + (config.tau - 1.0) * t / last) for t in range(config.megabatches))
