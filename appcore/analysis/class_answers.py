"""What a class answered, counted. Takes answers as plain data (lessons/questions.py), and knows nobody who gave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def chosen(answers: Sequence[dict[str, int]], options: int, degrees: int) -> np.ndarray:
    """Counts by option and by how sure they were."""
    found = np.zeros((options, degrees), dtype=int)
    for answer in answers:
        found[answer["option"], answer["sure"]] += 1
    return found


def places(answers: Sequence[Sequence[int]], items: int) -> np.ndarray:
    """Counts by item and by the place that it was given."""
    found = np.zeros((items, items), dtype=int)
    for answer in answers:
        for place, item in enumerate(answer):
            found[item, place] += 1
    return found


def band(answers: Sequence[Sequence[float]]) -> dict[str, np.ndarray]:
    """Of drawn curves, at each point: lowest and highest, the middle half, and the median. Empty arrays without answers."""
    drawn: Any = np.asarray(answers, dtype=float)
    if not len(drawn):
        return {name: np.array([]) for name in ("lowest", "lower", "median", "upper", "highest")}
    shares = {"lowest": 0, "lower": 25, "median": 50, "upper": 75, "highest": 100}
    return {name: np.percentile(drawn, share, axis=0) for name, share in shares.items()}
