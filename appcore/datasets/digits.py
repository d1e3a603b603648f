"""Handwritten digits of 8 x 8 pixels that come with scikit-learn: real images, no download, small enough for a laptop."""

from __future__ import annotations

import numpy as np

from ..config import RunConfig
from .base import Description, Images

CHOICES = {"digits": "Digits, 8 x 8 (scikit-learn; offline)"}
RECIPE = {"digits": {"megabatches": 6, "epochs": 6, "batch_size": 32, "lr": 0.05, "crop_padding": 0, "flip": False}}

_CLASSES = tuple("0123456789")
_NOTES = ("Every fifth image of each digit, in one fixed shuffled order, is the test set: the same 360 for every seed.",)


def describe(config: RunConfig) -> Description:
    """1,437 training and 360 test images of one channel."""
    return Description(1437, 360, (1, 8, 8), _CLASSES, _NOTES)


def load(config: RunConfig) -> Images:
    """The images, brightness 0..16 spread to 0..255; training and test set in scikit-learn's order."""
    from sklearn.datasets import load_digits  # takes a second, so not when a form only looks

    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]  # [1797, 1, 8, 8]
    y = digits.target.astype(np.int64)
    shuffled = np.random.RandomState(0).permutation(len(y))  # RandomState's numbers are frozen across versions of numpy
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    is_test = np.zeros(len(y), dtype=bool)
    is_test[by_class[::5]] = True
    return Images(x[~is_test], y[~is_test], x[is_test], y[is_test], _CLASSES, _NOTES)
