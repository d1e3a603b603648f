"""The contract of a data set: one file, free of torch at import, that describes and loads images as numpy arrays.

A file offers `CHOICES = {name: title}`, `RECIPE = {name: {RunConfig field: value}}` (what RunConfig takes for fields left out),
`describe(config) -> Description` (cheap: nothing decoded, nothing downloaded) and `load(config) -> Images`. Both read the name from
`config.dataset` and raise InputError (field "dataset"; `refuse` makes one) with one line that names the value and the remedy. A name that
ends with a colon (`images:`) is completed by the user. `shots`, `limit_train` and `limit_test` are applied by engine/data, not here; what
is refused for its size is refused for what they leave of it (`used`, `check_memory`).

Where decoding is the greater cost, a file may also offer `labels(config) -> (train_y, test_y)`, which decodes nothing. It is then called
as `load(config, keep=(train, test))` and gives these images only: sorted indices into the labels, or a slice for all.

A set whose files may be changed while the program runs offers `state(config) -> str`, cheap, another text whenever they were: runs in
memory share their images by it.

Optional literals: `TAKES_PATH = True` where a path completes the name, which is kept as an absolute one with a run; `TAKES_SPLIT = True`
where the setting `split` divides a set that has no test images: the same images for every seed, some of each class in either part.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import RunConfig
from ..untrusted.refusals import refuse


@dataclass(frozen=True)
class Description:
    """What a plan needs to know: counts, image shape (channels, height, width), class names, remarks for the user, and training images of
    each class, without which a stream cannot be class-incremental (empty: not known before the images are read)."""

    train_images: int
    test_images: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    per_class: tuple[int, ...] = ()


@dataclass(frozen=True)
class Images:
    """A data set in memory: x uint8 [N, C, H, W] in native order, y int64 [N] with values 0..len(classes)-1."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for x, y in ((self.train_x, self.train_y), (self.test_x, self.test_y)):
            assert x.dtype == np.uint8 and x.ndim == 4, (x.dtype, x.shape)
            assert y.dtype == np.int64 and y.shape == x.shape[:1], (y.dtype, y.shape, x.shape)
            assert not len(y) or (y.min() >= 0 and y.max() < len(self.classes)), (y.min(), y.max(), len(self.classes))
        assert self.train_x.shape[1:] == self.test_x.shape[1:], (self.train_x.shape, self.test_x.shape)


def data_root() -> Path:
    """Where data sets lie: APPCORE_DATA, else data/ in the working folder."""
    return Path(os.environ.get("APPCORE_DATA") or "data")


def used(config: RunConfig, found: Description) -> tuple[int, int]:
    """Training and test images that a run uses, after shots or limit_train, and limit_test."""
    few = config.shots * len(found.classes) or config.limit_train or found.train_images
    return min(few, found.train_images), min(config.limit_test or found.test_images, found.test_images)


def check_memory(config: RunConfig, found: Description, free: int, remedy: str) -> None:
    """InputError where the images that a run uses, with their padded copies, take more than `free` bytes."""
    (channels, height, width), padding = found.shape, 2 * config.crop_padding
    train, test = used(config, found)
    needed = channels * (train * (height * width + (height + padding) * (width + padding)) + 2 * test * height * width)  # briefly twice
    if needed > free:
        problem = f"{train:,} + {test:,} images of this size take {needed / 2**30:.1f} GiB of memory and {free / 2**30:.1f} GiB are free"
        raise refuse(config.dataset, f"{problem}; {remedy}")
