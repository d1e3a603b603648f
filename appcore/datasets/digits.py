"""Handwritten digits of 8 x 8 pixels that come with scikit-learn: real images, no download, small enough for a laptop."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
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
    table = _table()
    x = np.rint(table[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)[:, None]  # [1797, 1, 8, 8]
    y = table[:, 64].astype(np.int64)
    shuffled = np.random.RandomState(0).permutation(len(y))  # RandomState's numbers are frozen across versions of numpy
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    is_test = np.zeros(len(y), dtype=bool)
    is_test[by_class[::5]] = True
    return Images(x[~is_test], y[~is_test], x[is_test], y[is_test], _CLASSES, _NOTES)


@cache  # a megabyte; runs, estimates and sketches of one process ask for it again and again
def _table() -> np.ndarray:
    """[1797, 65]: the pixels of an image, 0 to 16, and its digit. Read from scikit-learn's file; importing scikit-learn takes seconds."""
    package = find_spec("sklearn")
    folders = package.submodule_search_locations if package else None
    file = Path(folders[0], "datasets", "data", "digits.csv.gz") if folders else None
    if file is not None and file.exists():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # says what is missing, or knows where a later version keeps the file

    pixels, digits = load_digits(return_X_y=True)
    return np.column_stack([pixels, digits])
