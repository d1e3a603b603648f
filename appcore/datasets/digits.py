"""Handwritten digits of 8 x 8 pixels, in digits.npz beside this file: real images, no download, small enough for a laptop.

They are the test set of Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI Machine Learning Repository, 1998, CC BY 4.0,
doi.org/10.24432/C50P49) in the order that scikit-learn's `load_digits` has them in.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from ..config import RunConfig
from .base import Description, Images

CHOICES = {"digits": "Digits, 8 x 8 (offline)"}
RECIPE = {"digits": {"megabatches": 6, "epochs": 6, "batch_size": 32, "lr": 0.05, "crop_padding": 0, "flip": False}}

_CLASSES = tuple("0123456789")
_PER_CLASS = (142, 146, 141, 147, 144, 146, 145, 143, 139, 144)
_NOTES = ("Every fifth image of each digit, in one fixed shuffled order, is the test set: the same 360 for every seed.",)


def describe(config: RunConfig) -> Description:
    """1,437 training and 360 test images of one channel."""
    return Description(1437, 360, (1, 8, 8), _CLASSES, _NOTES, _PER_CLASS)


def load(config: RunConfig) -> Images:
    """The images, brightness 0..16 spread to 0..255; training and test set in scikit-learn's order."""
    images, digits = arrays()
    x = np.rint(images.astype(np.float64) * (255 / 16)).astype(np.uint8)[:, None]  # [1797, 1, 8, 8]
    y = digits.astype(np.int64)
    shuffled = np.random.RandomState(0).permutation(len(y))  # RandomState's numbers are frozen across versions of numpy
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    is_test = np.zeros(len(y), dtype=bool)
    is_test[by_class[::5]] = True
    return Images(x[~is_test], y[~is_test], x[is_test], y[is_test], _CLASSES, _NOTES)


@cache  # runs, estimates and sketches of one process ask for it again and again
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """uint8 images [1797, 8, 8] of brightness 0 to 16, and their digits, uint8 [1797]; shared, so not to be changed."""
    with np.load(Path(__file__).with_name("digits.npz")) as file:
        images, digits = file["images"], file["labels"]
    for array in (images, digits):
        array.flags.writeable = False
    return images, digits
