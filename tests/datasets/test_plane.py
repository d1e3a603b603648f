"""Points in the plane: their shapes, by their geometry."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from appcore.config import RunConfig
from appcore.datasets import plane


def drawn(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates between -1 and 1, and classes."""
    pixels, labels = plane.points(name)
    return (pixels.astype(float) - 127.5) / 120, labels


@pytest.mark.parametrize("name", list(plane.CHOICES))
def test_half_of_the_points_are_of_each_class_and_few_coincide(name: str) -> None:
    images = plane.load(RunConfig(dataset=name))
    assert np.bincount(images.train_y).tolist() == np.bincount(images.test_y).tolist() == [200, 200]
    train, test = (set(map(tuple, x.reshape(-1, 2).tolist())) for x in (images.train_x, images.test_x))
    assert len(train & test) < 20 and len(train) > 380
    pixels, _ = plane.points(name)
    assert (pixels.max(axis=0) - pixels.min(axis=0)).max() == 240  # the longer side


def test_the_cubist_spiral_consists_of_sixteen_straight_pieces_in_two_turns() -> None:
    x, labels = drawn("spiral")
    for arm in (0, 1):
        steps = np.diff(x[labels == arm][::8], axis=0)
        heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        assert heading[-1] - heading[0] == pytest.approx(15 * np.pi / 4, abs=0.35)  # fifteen corners of 45 degrees
        assert np.hypot(*steps.T).std() < 0.2 * np.hypot(*steps.T).mean()  # evenly spread
    assert (np.hypot(*x[labels == 0].T) > np.hypot(*x[labels == 1].T)).mean() > 0.95  # the first arm lies outside


def test_circles_are_told_by_radius_and_xor_by_signs() -> None:
    x, labels = drawn("circles")
    radius = np.hypot(*(x - x.mean(axis=0)).T)
    assert radius[labels == 0].mean() == pytest.approx(2 * radius[labels == 1].mean(), rel=0.05)
    x, labels = drawn("xor")
    assert ((x[:, 0] * x[:, 1] < 0) == (labels == 1)).all()


def test_the_points_are_the_same_for_ever() -> None:
    """A run that was stored is repeated on the data that it had."""
    found = hashlib.sha256(b"".join(plane.points(name)[0].tobytes() for name in plane.CHOICES)).hexdigest()
    assert found == "3bf9f96cd7ff0137e1ddd1e4d3e7ba74a9554556e156b5d1a45a80c6860e372c"
