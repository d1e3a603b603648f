"""Stripes in six directions with noise: drawn when they are needed, the same images for ever, so that nothing is downloaded.

An example of a data set. It has two parts: `describe` says how many images there are and what they look like, at once, for forms and
plans; `load` gives them, for a run. Neither may depend on config.seed: two seeds have to see the same data.
"""

import numpy as np

from appcore.config import RunConfig
from appcore.datasets.base import Description, Images

CHOICES = {"stripes": "Stripes in six directions (drawn; offline)"}

# What a run on this data set takes for settings that nobody named. A flip would turn one direction into another, so: none.
RECIPE = {"stripes": {"megabatches": 4, "epochs": 4, "batch_size": 32, "lr": 0.05, "crop_padding": 0, "flip": False}}

_ANGLES = (0, 30, 60, 90, 120, 150)
_CLASSES = tuple(f"{angle} degrees" for angle in _ANGLES)
_SIDE, _TRAIN, _TEST = 12, 1200, 300
_NOTES = ("Drawn images: good for trying things, not for claims about real data.",)


def describe(config: RunConfig) -> Description:
    """Counts, shape (channels, height, width) and class names; nothing is drawn."""
    return Description(_TRAIN, _TEST, (1, _SIDE, _SIDE), _CLASSES, _NOTES)


def load(config: RunConfig) -> Images:
    """The images as uint8 [N, channels, height, width] and their labels as int64 [N], training and test apart."""
    random = np.random.RandomState(0)  # RandomState's numbers are frozen across versions of numpy
    train_x, train_y = _draw(_TRAIN, random)
    test_x, test_y = _draw(_TEST, random)
    return Images(train_x, train_y, test_x, test_y, _CLASSES, _NOTES)


def _draw(count: int, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Waves across the image in the direction of the class, with a random phase, in noise."""
    labels = np.arange(count, dtype=np.int64) % len(_ANGLES)  # so every class has the same number of images
    angle = np.deg2rad(np.array(_ANGLES))[labels][:, None, None]
    y, x = np.mgrid[:_SIDE, :_SIDE]
    wave = np.sin(1.3 * (x * np.cos(angle) + y * np.sin(angle)) + random.uniform(0, 2 * np.pi, (count, 1, 1)))
    pixels = 128 + 60 * wave + random.normal(0, 40, (count, _SIDE, _SIDE))
    return np.clip(pixels, 0, 255).astype(np.uint8)[:, None], labels
