"""The density falls by the same amount at every megabatch, from 0.8 to 0.8 ** tau.

An example of a schedule. A schedule names one density (fraction of weights kept) for each megabatch. It should end at 0.8 ** tau, which is
what the form says of tau, and it should not rise: pruned weights do not return.
"""

from appcore.config import RunConfig

CHOICES = {"linear": "The same amount at every megabatch, from 0.8 to 0.8 ** tau"}


def densities(config: RunConfig) -> tuple[float, ...]:
    """One fraction for each of the T megabatches; with a single megabatch the final one."""
    start, end, last = 0.8, 0.8**config.tau, config.megabatches - 1
    if last == 0:
        return (end,)
    return tuple(start + (end - start) * t / last for t in range(config.megabatches))
