"""Which images a stream trains on, and when: images of each part at each megabatch, and the cost of each replay rule. Free of torch.

Expected counts where images are drawn at random (buffer, budget), exact ones elsewhere; sums are always exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..datasets.base import Description
from .plan import plan
from .stream_sizes import budgeted, budgeted_validation, remembered, segment_samples, sizes, split_sizes

RULES = ("none", "one", "fraction", "buffer", "full")


@dataclass(frozen=True)
class Timeline:
    """Images of one epoch, [part, megabatch]; `parts` are the (train, validation) images of each part."""

    train: np.ndarray
    val: np.ndarray
    parts: list[tuple[int, int]]


def timeline(config: RunConfig, description: Description) -> Timeline:
    """Which images of which part are trained on, and validated on, at each megabatch."""
    parts = [split_sizes(size, config.val_fraction) for size in sizes(config, description)]
    held = split_sizes(config.buffer_size, config.val_fraction)
    train, val = (_shown(config, [part[side] for part in parts], held[side]) for side in (0, 1))
    return Timeline(_within(train, lambda images: budgeted(config, images)), _within(val, lambda n: budgeted_validation(config, n)), parts)


def _shown(config: RunConfig, sizes: list[int], held: int) -> np.ndarray:
    """[part, megabatch]: images before the budget."""
    count, own = len(sizes), np.asarray(sizes, dtype=float)
    shown = np.diag(own)
    for now in range(1, count):
        if config.replay == "full":
            shown[:now, now] = own[:now]
        elif config.replay == "one":
            shown[now - 1, now] = own[now - 1]
        elif config.replay == "fraction":
            shown[:now, now] = [remembered(sizes[part], now - part, config.replay_fraction) for part in range(now)]
        elif config.replay == "buffer":
            shown[:now, now] = own[:now] * min(1.0, held / own[:now].sum())
    return shown


def _within(shown: np.ndarray, limit: Callable[[int], int]) -> np.ndarray:
    """Under a budget, a uniform sample of each megabatch's pool."""
    pools = shown.sum(axis=0)
    shares = [limit(round(pool)) / pool if pool else 1.0 for pool in pools]
    return shown * np.asarray(shares)


def by_megabatch(config: RunConfig, description: Description) -> pd.DataFrame:
    """Training images of each megabatch, all its epochs together: columns megabatch, epochs, new, replayed, samples (exact)."""
    shown = timeline(config, description).train
    per_epoch = [round(images) for images in shown.sum(axis=0)]
    samples: Counter[int] = Counter()
    epochs: Counter[int] = Counter()
    for segment in plan(config):
        samples[segment.megabatch] += segment_samples(config, per_epoch, segment)
        epochs[segment.megabatch] += segment.kind == "epoch"
    places = range(config.megabatches)
    total = np.asarray([samples[t] for t in places])
    new = np.rint(total * np.diag(shown) / shown.sum(axis=0)).astype(int)
    columns = {"megabatch": list(places), "epochs": [epochs[t] for t in places], "new": new, "replayed": total - new, "samples": total}
    return pd.DataFrame(columns)


def rules(config: RunConfig, description: Description) -> pd.DataFrame:
    """The same stream under every replay rule: columns of `by_megabatch`, and `replay`."""
    found = [by_megabatch(config.model_copy(update={"replay": rule}), description).assign(replay=rule) for rule in RULES]
    return pd.concat(found, ignore_index=True)


def law(megabatches: int) -> float:
    """Cost of full replay as a multiple of none, when all parts have one size: (T + 1) / 2."""
    return (megabatches + 1) / 2
