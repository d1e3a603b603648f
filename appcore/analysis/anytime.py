"""Measures of a run in the field's terms (arXiv 2204.01640, 2106.09563). Fractions, never percent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any


def generalization_gap(train_accuracy: float, val_accuracy: float) -> float:
    """Train minus validation accuracy, a fraction (on screen: percentage points)."""
    return train_accuracy - val_accuracy


def accuracy_on_seen(classes: Sequence[Sequence[Any]], megabatch: int) -> float | None:
    """Test accuracy on the classes that have come by a megabatch (from 0), from [name, megabatch that brings it, right, images] of each;
    None where there are none, or no test images of them."""
    seen = [(right, images) for _, part, right, images in classes if part <= megabatch]
    images = sum(images for _, images in seen)
    return sum(right for right, _ in seen) / images if images else None


def cumulative_errors(test_errors: Iterable[int]) -> int:
    """CER: the sum over megabatches of the number of misclassified test images."""
    return sum(test_errors)


def anytime_relative_errors(test_errors: Sequence[int], test_images: int) -> list[float]:
    """(errors_t - errors_{t-1}) / test images, for t = 2..T."""
    return [(now - before) / test_images for before, now in pairwise(test_errors)]
