"""Mask snapshots compared: how many weights two of them share, hence births, deaths, survival, overlap versus the random baseline.

Works on packed bits as `checkpoint.load_packed` gives them; numpy and pandas only. All counts are whole numbers, nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MOST_MOMENTS = 24  # snapshots in one comparison: all pairs are counted exactly, and a larger matrix cannot be read
KEPT, BORN, DIED, GONE = 3, 2, 1, 0  # what happened to a weight since the previous snapshot
_BITS = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)

Packed = Mapping[str, np.ndarray]  # bits of each layer, eight to a byte, the last byte filled with zeros


@dataclass(frozen=True)
class Shared:
    """counts[i, j, l]: weights of layer l kept both in snapshot i of one run and in snapshot j of another (or the same)."""

    layers: tuple[str, ...]
    totals: np.ndarray  # [layer]
    one: np.ndarray  # kept, [snapshot of the first, layer]
    other: np.ndarray  # kept, [snapshot of the second, layer]
    counts: np.ndarray

    def overlap(self) -> tuple[np.ndarray, np.ndarray]:
        """(IoU, its expectation for independent random masks with the same counts in each layer), [snapshot, snapshot]."""
        kept = self.one[:, None, :] + self.other[None, :, :]
        mean, variance = _by_chance(self.one[:, None, :], self.other[None, :, :], self.totals)
        return _ratios(self.counts.sum(2), kept.sum(2), mean.sum(2), variance.sum(2))

    def overlap_of_layers(self, i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
        """The same for each layer, between snapshot i of the first and j of the second."""
        mean, variance = _by_chance(self.one[i], self.other[j], self.totals)
        return _ratios(self.counts[i, j], self.one[i] + self.other[j], mean, variance)

    def survival(self) -> np.ndarray:
        """Share of the weights kept in snapshot i that are kept in snapshot j as well, [i, j]; NaN where nothing was kept."""
        kept = self.one.sum(1).astype(float)[:, None]
        return _share(self.counts.sum(2), kept)

    def survival_of_layers(self, i: int) -> np.ndarray:
        """The same for each layer, of the weights kept in snapshot i, [snapshot, layer]."""
        return _share(self.counts[i], self.one[i].astype(float)[None, :])


def thinned(count: int, most: int = MOST_MOMENTS) -> list[int]:
    """Positions of at most `most` of `count` snapshots, first and last included, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())) if count else []


def shared(one: Sequence[Packed], other: Sequence[Packed] | None = None, *, totals: Mapping[str, int]) -> Shared:
    """Count the weights that snapshots of two runs share, layer by layer (with one argument: of a run with itself).

    Layers are those that all snapshots have with the same number of weights; ValueError when there is none.
    """
    others = one if other is None else other
    sizes = [{name: len(bits) for name, bits in packed.items()} for packed in (*one, *others)]
    names = tuple(name for name in totals if all(found.get(name) == -(-totals[name] // 8) for found in sizes))
    if not names:
        raise ValueError("the two runs have no layer of the same shape in common; compare runs of one architecture")
    counts = np.zeros((len(one), len(others), len(names)), dtype=np.int64)
    for i, first in enumerate(one):
        for j, second in enumerate(others):
            if other is None and j < i:
                counts[i, j] = counts[j, i]
            else:
                counts[i, j] = [_count(first[name] & second[name]) for name in names]
    kept = [np.array([[_count(packed[name]) for name in names] for packed in side], dtype=np.int64) for side in (one, others)]
    return Shared(names, np.array([totals[name] for name in names], dtype=np.int64), kept[0], kept[1], counts)


def changes(before: Packed | None, after: Packed, totals: Mapping[str, int]) -> pd.DataFrame:
    """One row for each layer: total, kept, born and died since the previous snapshot (None: since everything was kept)."""
    rows = []
    for name, bits in after.items():
        kept = _count(bits)
        stayed = kept if before is None else _count(before[name] & bits)
        had = totals[name] if before is None else _count(before[name])
        rows.append({"layer": name, "total": totals[name], "kept": kept, "born": kept - stayed, "died": had - stayed})
    return pd.DataFrame(rows, columns=["layer", "total", "kept", "born", "died"])


def _count(bits: np.ndarray) -> int:
    whole = len(bits) - len(bits) % 8
    if hasattr(np, "bitwise_count"):
        return int(np.bitwise_count(bits[:whole].view(np.uint64)).sum()) + int(np.bitwise_count(bits[whole:]).sum())
    return int(_BITS[bits].sum(dtype=np.int64))


def _by_chance(a: np.ndarray, b: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the number of shared weights, hypergeometric in each layer."""
    mean = a * (b / n)
    return mean, mean * ((n - a) / n) * ((n - b) / np.maximum(n - 1, 1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=np.broadcast_to(whole > 0, part.shape))


def _ratios(common: np.ndarray, kept: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IoU and its expectation to second order, as in `masks.facts.overlap`; two empty masks overlap by 1."""
    empty = kept == 0
    union, rest = np.where(empty, 1, kept - common), np.where(empty, 1.0, kept - mean)
    chance = np.where(empty, 1.0, np.minimum(1.0, mean / rest + kept * variance / rest**3))
    return np.where(empty, 1.0, common / union), chance


def unpacked(bits: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The bool mask of a layer in its own shape."""
    return np.unpackbits(bits, count=int(np.prod(shape, dtype=np.int64))).astype(bool).reshape(shape)


def filter_density(mask: np.ndarray) -> np.ndarray:
    """Share kept of each output filter (row of a linear layer)."""
    return mask.reshape(len(mask), -1).mean(1, dtype=np.float64)


def spread(densities: np.ndarray, columns: int) -> np.ndarray:
    """The densities in falling order at `columns` evenly spaced places, both ends included, so that layers of different width can be
    stacked."""
    ordered = np.sort(densities)[::-1]
    return ordered[np.linspace(0, len(ordered) - 1, columns).round().astype(int)]


def empty_filters(mask: np.ndarray) -> list[int]:
    """Output filters that have no weight left."""
    return np.flatnonzero(~mask.reshape(len(mask), -1).any(1)).tolist()


def empty_inputs(mask: np.ndarray) -> list[int]:
    """Input channels that no filter reads any more."""
    return np.flatnonzero(~mask.reshape(len(mask), mask.shape[1], -1).any((0, 2))).tolist()


def fates(before: np.ndarray | None, after: np.ndarray) -> np.ndarray:
    """What happened to each weight since the previous snapshot: KEPT, BORN (came back), DIED (just removed) or GONE (removed earlier)."""
    old = np.ones_like(after) if before is None else before
    return (2 * after + (old == after) * after + (old & ~after)).astype(np.uint8)


def kernel_grid(values: np.ndarray, filters: range, inputs: range) -> np.ndarray:
    """Kernels as an image: filters as rows, input channels as columns, NaN lines between kernels larger than 1x1.

    `values` is [filter, input, ...] as weights are; a linear layer is a matrix of single cells.
    """
    part = values[filters.start : filters.stop, inputs.start : inputs.stop].astype(np.float32)
    part = part.reshape(*part.shape[:2], -1, part.shape[-1]) if part.ndim > 3 else part.reshape(*part.shape[:2], 1, -1)
    if part.shape[2:] == (1, 1):
        return part[:, :, 0, 0]
    framed = np.pad(part, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    picture = framed.transpose(0, 2, 1, 3).reshape(framed.shape[0] * framed.shape[2], -1)
    return picture[:-1, :-1]
