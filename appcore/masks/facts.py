"""Facts about masks: overlap versus the random baseline, births and deaths, collapse, score thresholds. Pure functions of tensors.

Masks are bool tensors by layer name, True = kept, on any one device. What has
to know numbers of them is a `Question`, so that those of a prune point are read together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..quotas import boundary
from .reads import Asking, Question
from .selection import among, count

DECADES = 12  # a histogram reaches this far below the highest score; smaller scores share the bin at 0


@dataclass(frozen=True)
class Overlap:
    """Intersection over union of two masks, and its expectation for two independent random masks with the same counts in each layer."""

    iou: float
    chance: float


@dataclass(frozen=True)
class Critical:
    """Where the first layer dies: with `kept` weights (`density` of all) every layer has one left, with one fewer `layer` has none."""

    layer: str
    kept: int
    density: float


@dataclass(frozen=True)
class Histogram:
    """Scores of the weights that could be chosen: len(kept) bins between `edges`, with the counts of those kept and those pruned.

    Bin i holds edges[i] <= score < edges[i + 1]; the last one its upper edge too. `threshold` is the lowest score kept, in all and
    by layer (None where nothing is kept).
    """

    edges: tuple[float, ...]
    kept: tuple[int, ...]
    pruned: tuple[int, ...]
    threshold: float | None
    thresholds: dict[str, float | None]


@Question
def overlap(one: dict[str, Tensor], other: dict[str, Tensor]) -> Asking[tuple[Overlap, dict[str, Overlap]]]:
    """Overlap over all layers that both have, and of each; ValueError when they share none or a shape differs. Empty masks overlap by 1.

    The random baseline is exact to second order in the spread of the intersection, which is hypergeometric in each layer.
    """
    rows = {}
    for name in (name for name in one if name in other):
        if one[name].shape != other[name].shape:
            raise ValueError(
                f"the masks of {name} have shapes {tuple(one[name].shape)} and {tuple(other[name].shape)}; compare runs of one architecture"
            )
    shared = [name for name in one if name in other]
    if not shared:
        raise ValueError("the two masks have no layer in common; compare runs of one architecture")
    counts = yield [mask.count_nonzero() for name in shared for mask in (one[name], other[name], one[name] & other[name])]
    for name, a, b, common in zip(shared, counts[::3], counts[1::3], counts[2::3], strict=True):
        n = one[name].numel()
        mean = a * b / n
        variance = mean * (n - a) * (n - b) / (n * (n - 1)) if n > 1 else 0.0
        rows[name] = (common, a + b, mean, variance)
    return _overlap(*map(sum, zip(*rows.values(), strict=True))), {name: _overlap(*row) for name, row in rows.items()}


def _overlap(common: float, kept: float, mean: float, variance: float) -> Overlap:
    if kept == 0:
        return Overlap(1.0, 1.0)
    # E[f(I)] of f(I) = I / (kept - I), to second order around the mean of I.
    chance = mean / (kept - mean) + kept * variance / (kept - mean) ** 3
    return Overlap(common / (kept - common), min(1.0, chance))


@Question
def changes(before: dict[str, Tensor], after: dict[str, Tensor]) -> Asking[dict[str, tuple[int, int]]]:
    """(born, dead) weights of each layer from one mask to the next."""
    counts = yield [mask.count_nonzero() for name, old in before.items() for mask in (after[name] & ~old, old & ~after[name])]
    return dict(zip(before, zip(counts[::2], counts[1::2], strict=True), strict=True))


@Question
def collapsed_layers(masks: dict[str, Tensor]) -> Asking[list[str]]:
    """Layers with nothing kept."""
    found = yield from count.ask(masks)
    return [name for name, kept in found.items() if kept == 0]


@Question
def collapsed_channels(masks: dict[str, Tensor]) -> Asking[dict[str, int]]:
    """Output channels (rows of a linear layer) of each layer that have no weight left; give it alive masks to count dead ones as well."""
    left = yield from count.ask({name: mask.flatten(1).any(1) for name, mask in masks.items()})
    return {name: mask.shape[0] - left[name] for name, mask in masks.items()}


@Question
def critical_density(
    scores: dict[str, Tensor], scope: str = "global", eligible: dict[str, Tensor] | None = None
) -> Asking[Critical | None]:
    """The density below which a layer would die if these scores were cut once; None when no layer has anything left.

    Layers that have nothing eligible are dead already and left out. global: exact, from the rank of each layer's best weight.
    layer, erk: from the layers' quotas; rounding can also empty a small layer at some higher count, so this is one
    such boundary, found by bisection.
    """
    choosable = {name: score if eligible is None else score.masked_fill(~eligible[name], -math.inf) for name, score in scores.items()}
    names = [name for name, score in scores.items() if score.numel()]
    counts = [] if eligible is None else [eligible[name].count_nonzero() for name in names]
    found = yield [*(choosable[name].max() for name in names), *counts]
    best = dict(zip(names, found, strict=False))
    caps = [scores[name].numel() for name in names] if eligible is None else found[len(names) :]
    left = {name: cap for name, cap in zip(names, caps, strict=True) if cap}
    if not left:
        return None
    total = sum(score.numel() for score in scores.values())
    if scope != "global":
        layer, kept = boundary({name: tuple(scores[name].shape) for name in left}, scope, left)
        return Critical(layer, kept, kept / total)
    # The layer whose best weight ranks last. Among equal scores the earlier is kept, so the last of the weakest layers dies first.
    weakest = min(reversed(left), key=best.__getitem__)
    earlier = [(choosable[name] == best[weakest]).count_nonzero() for name in [*left][: [*left].index(weakest)]]
    above = yield [*((choosable[name] > best[weakest]).count_nonzero() for name in left), *earlier]
    return Critical(weakest, sum(above) + 1, (sum(above) + 1) / total)


@Question
def histogram(
    scores: dict[str, Tensor], kept: dict[str, Tensor], eligible: dict[str, Tensor] | None = None, bins: int = 60
) -> Asking[Histogram]:
    """Score counts in logarithmic bins; where scores can be negative (GraSP), mirrored around a middle bin."""
    values, chosen = (torch.cat([tensors[name].reshape(-1) for name in scores]) for tensors in (scores, kept))
    if eligible is not None:
        pool = torch.cat([eligible[name].reshape(-1) for name in scores])
        values, chosen = among(values, pool), among(chosen, pool)
    filled = [name for name, score in scores.items() if score.numel()]
    lowest = [
        scores[name].masked_fill(~(kept[name] if eligible is None else kept[name] & eligible[name]), math.inf).min() for name in filled
    ]
    (largest, least, first), *found = yield [_extremes(values), *lowest]
    edges = _edges(largest, least, first, bins)
    cell = torch.bucketize(values.double(), torch.as_tensor(edges[1:-1], device=values.device), right=True) * 2 + chosen
    size = 2 * (len(edges) - 1)
    (counts,) = yield [torch.bincount(cell, minlength=size)]
    thresholds: dict[str, float | None] = dict.fromkeys(scores)
    thresholds |= {name: lowest for name, lowest in zip(filled, found, strict=True) if lowest < math.inf}
    lowest_of_all = min((lowest for lowest in thresholds.values() if lowest is not None), default=None)
    return Histogram(tuple(edges.tolist()), tuple(counts[1::2]), tuple(counts[::2]), lowest_of_all, thresholds)


def _extremes(values: Tensor) -> Tensor:
    """Largest size, smallest size above 0 (infinite where there is none) and lowest value [3]; 0, infinity and 0 of nothing."""
    if not values.numel():
        return torch.tensor([0.0, math.inf, 0.0], device=values.device)
    size = values.abs()
    return torch.stack([size.max(), torch.where(size > 0, size, math.inf).min(), values.min()])


def _edges(high: float, low: float, lowest: float, bins: int) -> np.ndarray:
    """Edges of a bin at 0 and of bins at equal ratios above it, up to the highest score; mirrored if any score is negative."""
    high = high or 1.0
    low = max(low if low < math.inf else high, high * 10.0**-DECADES)
    low = low if low < high else high / 10  # one size only, or none
    if lowest < 0:
        side = np.geomspace(low, high, max(2, bins // 2))
        return np.concatenate([-side[::-1], side])
    return np.concatenate([[0.0], np.geomspace(low, high, bins)])
