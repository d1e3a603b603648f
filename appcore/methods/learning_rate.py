"""The learning rate at each step of a megabatch; every megabatch begins anew. Pure, free of torch. Offers no method itself.

- `steps`, that of the released code: x lr_gamma at the first epoch after each fraction of lr_drops.
- `cosine` (Loshchilov and Hutter, arXiv 1608.03983): half a cosine from lr to 0, step by step; a megabatch is one of its restarts.
- `one-cycle` (Smith and Topin, arXiv 1708.07120), as torch's OneCycleLR with its usual shape: in 30 % of the steps up from lr / 25 to
  lr, then down to lr / 250,000, both by half a cosine. Momentum keeps its value, which theirs does not.
- `lr_warmup` (Goyal et al., arXiv 1706.02677) lets the rate of the first two rise evenly over a share of the steps, up to lr; cosine
  begins then.
"""

from __future__ import annotations

import math

from ..config import RunConfig

RISE, START, END = 0.3, 1 / 25, 1 / 25 / 1e4  # of one-cycle: share of the steps, and parts of lr
_MANY_STEPS = 1000  # in an epoch, for a plan, which does not know how many


def is_by_step(config: RunConfig) -> bool:
    """Whether the rate changes within an epoch."""
    return config.lr_schedule != "steps" or config.lr_warmup > 0


def learning_rate(config: RunConfig, epoch: int, step: int = 0, steps: int = _MANY_STEPS) -> float:
    """The rate of one step (from 0) of an epoch (from 0) that has so many `steps`."""
    done, total = epoch * steps + step, config.epochs * steps
    if config.lr_schedule == "one-cycle":
        return config.lr * _one_cycle(done, total)
    rising = config.lr_warmup * total
    warm = min(1.0, (done + 1) / rising) if rising > 0 else 1.0
    if config.lr_schedule == "cosine":
        return config.lr * warm * _cosine(1.0, 0.0, max(0.0, done - rising) / (total - rising))
    drops = sum(epoch >= round(fraction * config.epochs) for fraction in config.lr_drops)
    return config.lr * config.lr_gamma**drops * warm


def _one_cycle(done: int, total: int) -> float:
    top, last = max(0.0, RISE * total - 1), total - 1  # torch counts its two ways from step 0; of few steps the first is the top
    if done < top:
        return _cosine(START, 1.0, done / top)
    return _cosine(1.0, END, (done - top) / (last - top)) if last > top else 1.0


def _cosine(first: float, last: float, share: float) -> float:
    """Between two values, by half a cosine."""
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0
