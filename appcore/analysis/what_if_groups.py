"""Sketches of groups (filters, kernels, channels, blocks): as those of weights, where all weights of a group have its score.

Two points stand for a group, the ranks of its first and of its last weight, so that counts step by whole groups. `starts` holds the first
ones. Of a layer with many groups some are left out, as of weights; between two points groups are of the layer's usual size, `group`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def points(scores: np.ndarray, sizes: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ranks, scores, starts) of a layer's groups in falling order, of which the `chosen` places are kept; `sizes`: weights of each."""
    first = np.cumsum(sizes) - sizes
    starts = first[chosen]
    both = np.stack([starts, starts + sizes[chosen] - 1], axis=1).reshape(-1)
    ranks, places = np.unique(both, return_index=True)  # a group of one weight has one point
    return ranks, np.repeat(scores[chosen], 2)[places], starts


def whole(sketch: Mapping[str, Any], kept: np.ndarray, *, at_most: bool = False) -> np.ndarray:
    """Counts of each layer brought to whole groups: the nearest number, fewer where two are as near, or with `at_most` never more."""
    parts = zip(kept.tolist(), sketch["layers"], sketch["starts"])
    return np.array([_nearest(count, layer, starts, at_most) for count, layer, starts in parts], dtype=np.int64)


def least(sketch: Mapping[str, Any], places: Sequence[int], *, at_most: bool = False) -> np.ndarray:
    """How many weights must fall to each of these layers before its best group is kept: more than half of it; with `at_most` all."""
    if "starts" not in sketch:
        return np.ones(len(places), dtype=np.int64)
    sizes = np.array([_size(sketch["layers"][i], sketch["starts"][i], 0) for i in places], dtype=np.int64)
    return sizes if at_most else sizes // 2 + 1


def _nearest(count: int, layer: Mapping[str, Any], starts: np.ndarray, at_most: bool) -> int:
    if not 0 < count < layer["eligible"]:
        return count
    place = int(np.searchsorted(starts, count, side="right")) - 1  # the point that weight number `count`, the first not kept, lies in
    size = _size(layer, starts, place)
    low = int(starts[place]) + (count - int(starts[place])) // size * size
    high = min(low + size, int(starts[place + 1]) if place + 1 < len(starts) else layer["eligible"])
    return low if at_most or count - low <= high - count else high


def _size(layer: Mapping[str, Any], starts: np.ndarray, place: int) -> int:
    """Weights of a group at a point: those up to the next point, where they are fewer than groups of this layer have."""
    following = int(starts[place + 1]) if place + 1 < len(starts) else layer["eligible"]
    return min(layer["group"], following - int(starts[place]))
