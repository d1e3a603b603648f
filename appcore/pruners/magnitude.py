"""Magnitude pruning: the absolute weight (Han et al., arXiv 1506.02626)."""

from torch import Tensor

from .base import ScoringTask

CHOICES = {"magnitude": "Magnitude"}
LOOK = {"magnitude": {"colour": "#D55E00"}}
COST = {"magnitude": 0.0}  # ranking alone


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """abs(w)."""
    return {name: weight.abs() for name, weight in task.weights.items()}
