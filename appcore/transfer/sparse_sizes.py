"""File sizes of a network: dense, compressed, and in sparse formats. Measured on real bytes; needs only numpy."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

LEVEL = 6  # zlib's own default
WAYS = {
    "raw": "Every number, zeros too",
    "zlib": "Compressed (zlib)",
    "indices": "Kept values and their places",
    "bitmask": "Kept values and a bitmask",
    "bitmask-zlib": "Values and bitmask, compressed",
}


def sizes(state: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Bytes of all tensors of a network in each of WAYS. Tensors that are not pruned count in full."""
    whole = b"".join(array.tobytes() for array in state.values())
    rest = sum(array.nbytes for name, array in state.items() if name not in masks)
    packed = {name: with_bitmask(state[name], masks[name]) for name in masks}
    placed = [with_indices(state[name], masks[name]) for name in masks]
    sparse = b"".join(part.tobytes() for parts in packed.values() for part in parts)
    others = b"".join(array.tobytes() for name, array in state.items() if name not in masks)
    return {
        "raw": len(whole),
        "zlib": len(zlib.compress(whole, LEVEL)),
        "indices": rest + sum(values.nbytes + places.nbytes for values, places in placed),
        "bitmask": rest + len(sparse),
        "bitmask-zlib": len(zlib.compress(sparse + others, LEVEL)),
    }


def with_bitmask(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pack as (kept values, one bit for each weight)."""
    return values[mask], np.packbits(mask)


def from_bitmask(kept: np.ndarray, bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor that `with_bitmask` packed."""
    found = np.zeros(shape, kept.dtype)
    found[np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)] = kept
    return found


def with_indices(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pack as (kept values, their places in the flat tensor, in two bytes each where they fit)."""
    places = np.flatnonzero(mask)
    return values.reshape(-1)[places], places.astype(np.uint16 if mask.size <= 2**16 else np.uint32)


def from_indices(kept: np.ndarray, places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor that `with_indices` packed."""
    found = np.zeros(int(np.prod(shape)), kept.dtype)
    found[places] = kept
    return found.reshape(shape)
