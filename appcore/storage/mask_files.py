"""The masks of a prune point as a file of packed bits, or out of one file for all of them (see removals); needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import safetensors
import safetensors.numpy

from .. import files, paths
from ..errors import InputError
from . import removals

_WRONG = (ValueError, KeyError, TypeError, safetensors.SafetensorError)  # raised by content that is not what it should be


def save_masks(path: Path, masks: Mapping[str, Any]) -> None:
    """Write boolean masks (tensors or arrays) as packed bits."""
    arrays = {name: numpy.asarray(mask.cpu() if hasattr(mask, "cpu") else mask, dtype=bool) for name, mask in masks.items()}
    packed = {name: numpy.packbits(array) for name, array in arrays.items()}
    about = {"shapes": json.dumps({name: array.shape for name, array in arrays.items()}), "sha256": removals.digest(packed)}
    files.write(path, safetensors.numpy.save(packed, metadata=about), f"{files.REMEDY}, then resume")


def load_masks(path: Path) -> dict[str, numpy.ndarray]:
    """Boolean arrays by layer, in network order. InputError for a missing or damaged file; UnreadableError: it cannot be read now."""
    packed, shapes = load_packed(path)
    return {
        name: numpy.unpackbits(bits, count=int(numpy.prod(shapes[name], dtype=numpy.int64))).astype(bool).reshape(shapes[name])
        for name, bits in packed.items()
    }


def load_packed(path: Path) -> tuple[dict[str, numpy.ndarray], dict[str, tuple[int, ...]]]:
    """The masks as packed bits, an eighth of the size, and the shapes; verified. Errors as in `load_masks`."""
    try:
        data = files.read(path)
    except files.ABSENT as error:
        together = removals.read(path.parent.parent)
        if together and int(path.stem) in together.segments:
            return together.packed(int(path.stem))
        raise InputError(f"masks {path} cannot be read: there is no such file; put it back, or repeat the run", "masks") from error
    try:
        packed = safetensors.numpy.load(data)
        about = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        shapes = {name: tuple(shape) for name, shape in json.loads(about["shapes"]).items()}
        if about["sha256"] != removals.digest(packed):
            raise ValueError("its checksum differs")
        for name, shape in shapes.items():
            if packed[name].shape != (-(-int(numpy.prod(shape, dtype=numpy.int64)) // 8),):
                raise ValueError(f"{name} does not have the shape that it says")
        return {name: packed[name] for name in shapes}, shapes
    except _WRONG as error:
        raise InputError(f"masks {path} cannot be read ({error}); resume or repeat the run to write them again", "masks") from None


def stored(run_folder: Path) -> list[Path]:
    """The paths by which the masks of a run can be loaded, in order of time. Errors as in `load_masks`."""
    together = removals.read(run_folder)
    return sorted({*paths.stored_masks(run_folder), *(paths.masks(run_folder, one) for one in (together.segments if together else ()))})
