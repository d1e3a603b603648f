"""Random pruning: uniform scores, the control that every criterion must beat."""

import torch
from torch import Tensor

from .base import ScoringTask

CHOICES = {"random": "Random"}
LOOK = {"random": {"colour": "#B8639A"}}
COST = {"random": 0.0}  # ranking alone


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """U(0, 1) for each weight, drawn in network order on the CPU."""
    return {name: torch.rand(weight.shape, generator=task.generator).to(weight.device) for name, weight in task.weights.items()}
