"""LAMP: layer-adaptive magnitude (Lee et al., arXiv 2010.07611).

Within a layer the order is that of magnitude; across layers a weight counts by its share of the energy of all that are not smaller,
so the largest weight of each layer scores 1 and no layer vanishes while weights of lower score are left (scope global).
Deviation: equal magnitudes share one score, whose denominator holds them all; the paper tells them apart by position.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import ScoringTask

CHOICES = {"lamp": "LAMP"}
LOOK = {"lamp": {"colour": "#3D8FC4"}}
COST = {"lamp": 0.0}  # ranking alone


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """w_i^2 / (sum of w_j^2 over the layer's j with abs(w_j) >= abs(w_i)), in float64; 0 for a weight that is 0."""
    return {name: _shares(weight.double().square().reshape(-1)).view(weight.shape) for name, weight in task.weights.items()}


def _shares(energy: Tensor) -> Tensor:
    """Each entry over the sum of all entries that are not smaller."""
    descending, order = energy.sort(descending=True)
    values, group, sizes = torch.unique_consecutive(descending, return_inverse=True, return_counts=True)
    running = descending.cpu().cumsum(0).to(energy.device)  # a long float sum on CUDA is not the same each time
    not_smaller = running[sizes.cumsum(0) - 1]  # one for each distinct value
    share = torch.where(values > 0, values / not_smaller, 0.0)
    return torch.empty_like(energy).scatter_(0, order, share[group])
