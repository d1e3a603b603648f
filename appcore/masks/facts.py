"""Facts about masks: overlap versus the random baseline, births and deaths, collapse, score thresholds. Pure functions of tensors.

Masks are bool tensors by layer name, True = kept, on any one device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..quotas import boundary
from .selection import among, count, read

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


def overlap(one: dict[str, Tensor], other: dict[str, Tensor]) -> tuple[Overlap, dict[str, Overlap]]:
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
    counts = read([mask.count_nonzero() for name in shared for mask in (one[name], other[name], one[name] & other[name])])
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


def changes(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, tuple[int, int]]:
    """(born, dead) weights of each layer from one mask to the next."""
    counts = read([mask.count_nonzero() for name, old in before.items() for mask in (after[name] & ~old, old & ~after[name])])
    return dict(zip(before, zip(counts[::2], counts[1::2], strict=True), strict=True))


def collapsed_layers(masks: dict[str, Tensor]) -> list[str]:
    """Layers with nothing kept."""
    return [name for name, kept in count(masks).items() if kept == 0]


def collapsed_channels(masks: dict[str, Tensor]) -> dict[str, int]:
    """Output channels (rows of a linear layer) of each layer that have no weight left; give it alive masks to count dead ones as well."""
    left = count({name: mask.flatten(1).any(1) for name, mask in masks.items()})
    return {name: mask.shape[0] - left[name] for name, mask in masks.items()}


def critical_density(scores: dict[str, Tensor], scope: str = "global", eligible: dict[str, Tensor] | None = None) -> Critical | None:
    """The density below which a layer would die if these scores were cut once; None when no layer has anything left.

    Layers that have nothing eligible are dead already and left out. global: exact, from the rank of each layer's best weight.
    layer, erk: from the layers' quotas; rounding can also empty a small layer at some higher count, so this is one
    such boundary, found by bisection.
    """
    left = {name: score.numel() for name, score in scores.items()} if eligible is None else count({name: eligible[name] for name in scores})
    living = [name for name in scores if left[name]]
    if not living:
        return None
    total = sum(score.numel() for score in scores.values())
    if scope == "global":
        chosen = {name: among(scores[name], eligible[name] if eligible else None) for name in living}
        layer, kept = _global_boundary(chosen)
    else:
        layer, kept = boundary({name: tuple(scores[name].shape) for name in living}, scope, {name: left[name] for name in living})
    return Critical(layer, kept, kept / total)


def _global_boundary(scores: dict[str, Tensor]) -> tuple[str, int]:
    """The layer whose best weight ranks last, and that rank."""
    names = list(scores)
    best = dict(zip(names, read([score.max().double() for score in scores.values()]), strict=True))
    # Among equal scores the earlier is kept, so the last of the weakest layers dies first.
    weakest = min(reversed(names), key=best.__getitem__)
    above = [(score > best[weakest]).count_nonzero() for score in scores.values()]
    earlier = [(scores[name] == best[weakest]).count_nonzero() for name in names[: names.index(weakest)]]
    return weakest, sum(read(above + earlier)) + 1


def histogram(scores: dict[str, Tensor], kept: dict[str, Tensor], eligible: dict[str, Tensor] | None = None, bins: int = 60) -> Histogram:
    """Score counts in logarithmic bins; where scores can be negative (GraSP), mirrored around a middle bin."""
    candidates = {name: among(score, eligible[name] if eligible else None) for name, score in scores.items()}
    chosen = {name: among(kept[name], eligible[name] if eligible else None) for name in scores}
    edges = _edges(candidates, bins)
    counts, size = [], 2 * (len(edges) - 1)
    for name, values in candidates.items():
        cell = torch.bucketize(values.double(), torch.as_tensor(edges[1:-1], device=values.device), right=True) * 2 + chosen[name]
        counts.append(torch.bincount(cell, minlength=size))
    total = np.asarray(read(counts), dtype=np.int64).reshape(-1, size // 2, 2).sum(0)  # pruned, kept
    living = [name for name, left in count(chosen).items() if left]
    lowest = dict(zip(living, read([among(candidates[name], chosen[name]).min().double() for name in living]), strict=True))
    thresholds = {name: lowest.get(name) for name in candidates}
    kept_in, pruned_in = tuple(total[:, 1].tolist()), tuple(total[:, 0].tolist())
    return Histogram(tuple(edges.tolist()), kept_in, pruned_in, min(lowest.values(), default=None), thresholds)


def _edges(scores: dict[str, Tensor], bins: int) -> np.ndarray:
    """Edges of a bin at 0 and of bins at equal ratios above it, up to the highest score; mirrored if any score is negative."""
    filled = [score for score in scores.values() if score.numel()]
    sizes = [score.abs() for score in filled]
    extremes = [torch.stack([size.max(), torch.where(size > 0, size, math.inf).min()]).double() for size in sizes]
    found = read([*extremes, *(torch.stack([score.min(), score.max()]).double() for score in filled)])
    highs, lows = [high for high, _ in found[: len(sizes)]], [low for _, low in found[: len(sizes)]]
    high = max(highs, default=0.0) or 1.0
    low = max(min(lows, default=high), high * 10.0**-DECADES)
    low = low if low < high else high / 10  # one size only, or none
    if any(lowest < 0 for lowest, _ in found[len(sizes) :]):
        side = np.geomspace(low, high, max(2, bins // 2))
        return np.concatenate([-side[::-1], side])
    return np.concatenate([[0.0], np.geomspace(low, high, bins)])
