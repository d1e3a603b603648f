"""Random pruning: uniform scores, the control that every criterion must beat."""

import torch
from torch import Tensor

from .base import ScoringTask

CHOICES = {"random": "Random"}
LOOK = {"random": {"colour": "#B8639A"}}
COST = {"random": 0.0}  # ranking alone


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """U(0, 1) for each weight, drawn in network order on the CPU."""
    weights = task.weights
    drawn = torch.cat([torch.rand(weight.shape, generator=task.generator).reshape(-1) for weight in weights.values()])
    parts = drawn.to(next(iter(weights.values())).device).split([weight.numel() for weight in weights.values()])
    return {name: part.view(weight.shape) for (name, weight), part in zip(weights.items(), parts, strict=True)}
