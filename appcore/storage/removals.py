"""All masks of a run whose prune points only remove, in one file: for each weight how many of them it outlived. Needs no torch.

Such masks are nested, so this says all of them: prune point k (from 0) keeps the weights that outlive more than k. A light bundle of a run
with a hundred prune points is forty times smaller by it; pages read a mask out of it as from a file of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from .. import files, paths
from ..errors import InputError

MOST_POINTS = 2**16 - 1
_TYPES = (np.uint8, np.uint16)
_WRONG = (ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError)  # raised by content that is not what it should be
Packed = tuple[dict[str, np.ndarray], dict[str, tuple[int, ...]]]  # bits of each layer, and its shape


@dataclass(frozen=True, eq=False)
class Removals:
    """`outlived`: for each layer, flat, how many of the prune points at `segments` each weight was kept at."""

    segments: tuple[int, ...]
    shapes: dict[str, tuple[int, ...]]
    outlived: dict[str, np.ndarray]

    def packed(self, segment: int) -> Packed:
        """The mask of the prune point at a segment as packed bits."""
        k = self.segments.index(segment)
        return {name: np.packbits(counts > k) for name, counts in self.outlived.items()}, self.shapes

    def kept(self) -> list[dict[str, int]]:
        """How many weights of each layer each prune point kept."""
        found: list[dict[str, int]] = [{} for _ in self.segments]
        for name, counts in self.outlived.items():
            lost = np.cumsum(np.bincount(counts, minlength=len(self.segments) + 1))
            for k in range(len(self.segments)):
                found[k][name] = len(counts) - int(lost[k])
        return found


def of(snapshots: Mapping[int, Packed]) -> Removals | None:
    """The masks of all prune points, by segment, in this form; None where a weight came back, or where there are none."""
    segments = tuple(sorted(snapshots))
    if not segments or len(segments) > MOST_POINTS:
        return None
    shapes = snapshots[segments[0]][1]
    kind = _TYPES[len(segments) > np.iinfo(np.uint8).max]
    outlived: dict[str, np.ndarray] = {name: np.zeros(prod(shape), dtype=kind) for name, shape in shapes.items()}
    before: Mapping[str, np.ndarray] = {}
    for segment in segments:
        bits, found = snapshots[segment]
        if found != shapes or any((bits[name] & ~before[name]).any() for name in before):
            return None
        for name, counts in outlived.items():
            counts += np.unpackbits(bits[name], count=len(counts))
        before = bits
    return Removals(segments, shapes, outlived)


def write(removals: Removals) -> bytes:
    """The content of the file."""
    about = {"shapes": removals.shapes, "segments": removals.segments, "sha256": digest(removals.outlived)}
    return safetensors.numpy.save(removals.outlived, metadata={"about": json.dumps(about)})  # one entry: several would come in any order


def read(run_folder: Path) -> Removals | None:
    """The masks of a run in this form, verified; None where it has files of masks instead, or none. Errors as in mask_files."""
    path = paths.removals(run_folder)
    try:
        data = files.read(path)
    except files.ABSENT:
        return None
    try:
        return _parsed(data)
    except _WRONG as error:
        raise InputError(f"masks {path} cannot be read ({error}); import or repeat the run to write them again", "masks") from None


def _parsed(data: bytes) -> Removals:
    outlived = safetensors.numpy.load(data)
    about = json.loads(_header(data)["__metadata__"]["about"])
    shapes = {name: tuple(shape) for name, shape in about["shapes"].items()}
    segments = tuple(about["segments"])
    _require(set(shapes) == set(outlived), "it holds other layers than it says")
    _require(about["sha256"] == digest(outlived), "its checksum differs")
    _require(_are_rising(segments), "its prune points are in no order")
    for name, shape in shapes.items():
        _require(all(type(size) is int and size > 0 for size in shape), f"{name} has no shape")
        counts = outlived[name]
        _require(counts.dtype in _TYPES and counts.shape == (prod(shape),), f"{name} does not have the shape that it says")
        _require(not counts.size or int(counts.max()) <= len(segments), f"{name} outlives more prune points than there are")
    return Removals(segments, shapes, {name: outlived[name] for name in shapes})


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of named arrays, in whatever order they come."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode() + b"\0" + arrays[name].tobytes())
    return found.hexdigest()


def _header(data: bytes) -> Any:
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def _are_rising(segments: Sequence[Any]) -> bool:
    whole = all(type(one) is int and one >= 0 for one in segments)
    return whole and 0 < len(segments) <= MOST_POINTS and list(segments) == sorted(set(segments))


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)
