"""Points in the plane: a point is an image of one pixel whose two channels are its coordinates. Drawn when needed, the same for ever.

spiral is the Cubist Spiral of Zhang and Papyan (arXiv 2407.04075): two arms side by side around a spiral of straight pieces, a corner every
45 degrees for two turns, points evenly spread along them. Deviations: 400 points instead of 50,000, and coordinates of 8 bits.
The page Playground trains on the training points of these sets.
"""

from __future__ import annotations

import numpy as np

from ..config import RunConfig
from .base import Description, Images

CHOICES = {
    "spiral": "Cubist Spiral, points (drawn)",
    "two-spirals": "Two spirals, points (drawn)",
    "moons": "Moons, points (drawn)",
    "circles": "Circles, points (drawn)",
    "xor": "XOR, points (drawn)",
}
RECIPE = {
    "spiral": {"megabatches": 4, "epochs": 200, "batch_size": 32, "lr": 0.05, "score_fraction": 1.0, "crop_padding": 0, "flip": False},
    "two-spirals": {"megabatches": 4, "epochs": 200, "batch_size": 32, "lr": 0.05, "score_fraction": 1.0, "crop_padding": 0, "flip": False},
    "moons": {"megabatches": 4, "epochs": 25, "batch_size": 32, "lr": 0.05, "score_fraction": 1.0, "crop_padding": 0, "flip": False},
    "circles": {"megabatches": 4, "epochs": 25, "batch_size": 32, "lr": 0.05, "score_fraction": 1.0, "crop_padding": 0, "flip": False},
    "xor": {"megabatches": 4, "epochs": 25, "batch_size": 32, "lr": 0.05, "score_fraction": 1.0, "crop_padding": 0, "flip": False},
}

POINTS = 400  # of the training set, and again of the test set
_CLASSES = ("orange", "blue")
_NOTES = ("Points in the plane, as images of one pixel with two channels: for watching a network, not for claims about real data.",)


def describe(config: RunConfig) -> Description:
    """400 training and 400 test points, half of them of each class."""
    return Description(POINTS, POINTS, (2, 1, 1), _CLASSES, _NOTES, (POINTS // 2, POINTS // 2))


def load(config: RunConfig) -> Images:
    """The points as uint8 [400, 2, 1, 1]; every second one of those drawn is a test point."""
    pixels, labels = points(config.dataset)
    x = pixels[:, :, None, None]
    return Images(x[0::2], labels[0::2], x[1::2], labels[1::2], _CLASSES, _NOTES)


def points(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All 800 points of a set, uint8 [800, 2] from one side of the square to the other, and their classes, int64 [800]."""
    random = np.random.RandomState(0)  # RandomState's numbers are frozen across versions of numpy
    share = np.linspace(0, 1, POINTS)
    x = np.concatenate([_SHAPES[name](share, arm, random) for arm in (0, 1)])
    low, high = x.min(axis=0), x.max(axis=0)
    centred = (x - (low + high) / 2) / (high - low).max()  # the longer side from -0.5 to 0.5
    return np.rint(127.5 + 240 * centred).astype(np.uint8), np.repeat(np.arange(2), POINTS)


def _cubist(share: np.ndarray, arm: int, random: np.random.RandomState) -> np.ndarray:
    """Points at these shares of the length of one arm: 16 straight pieces, 15 units outside or inside of the radius 10 angle + pi."""
    angle = np.linspace(np.pi, 5 * np.pi, 17) + 0.4 * np.pi
    corners = _polar(10 * angle + np.pi + (15 if arm == 0 else -15), angle)
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    walked = np.concatenate([[0], np.cumsum(lengths)])
    return np.column_stack([np.interp(share * walked[-1], walked, along) for along in corners.T])


def _two_spirals(share: np.ndarray, arm: int, random: np.random.RandomState) -> np.ndarray:
    """1.75 turns from the middle outwards, the other arm half a turn on, with noise."""
    turned = np.sqrt(0.04 + 0.96 * share)
    return _polar(turned, 3.5 * np.pi * turned + np.pi * arm) + random.normal(0, 0.02, (len(share), 2))


def _moons(share: np.ndarray, arm: int, random: np.random.RandomState) -> np.ndarray:
    """Two half circles that reach into each other, with noise."""
    half = _polar(1.0, np.pi * (share + arm)) + (np.array([1.0, 0.5]) if arm else 0.0)
    return half + random.normal(0, 0.12, (len(share), 2))


def _circles(share: np.ndarray, arm: int, random: np.random.RandomState) -> np.ndarray:
    """A ring around another of half its radius, with noise."""
    return _polar(1.0 if arm == 0 else 0.5, 2 * np.pi * share) + random.normal(0, 0.08, (len(share), 2))


def _xor(share: np.ndarray, arm: int, random: np.random.RandomState) -> np.ndarray:
    """Opposite quarters of a square are of one class, with a gap between the quarters."""
    x = random.uniform(0.08, 1.0, (len(share), 2)) * random.choice([-1, 1], (len(share), 1))
    return x * ([1, 1] if arm == 0 else [1, -1])


def _polar(radius: np.ndarray | float, angle: np.ndarray) -> np.ndarray:
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


_SHAPES = {"spiral": _cubist, "two-spirals": _two_spirals, "moons": _moons, "circles": _circles, "xor": _xor}
