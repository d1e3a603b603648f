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
    ranked = [weight.double().square().reshape(-1).sort(descending=True) for weight in task.weights.values()]
    sums = _running([energy for energy, _ in ranked])
    return {
        name: torch.empty_like(energy).scatter_(0, order, _shares(energy, running)).view(weight.shape)
        for (name, weight), (energy, order), running in zip(task.weights.items(), ranked, sums, strict=True)
    }


def _running(parts: list[Tensor]) -> list[Tensor]:
    """The running sums of each, on the CPU, in one way there and back: a long float sum on CUDA is not the same each time."""
    there = torch.cat(parts).cpu().split([len(part) for part in parts])
    return [*torch.cat([part.cumsum(0) for part in there]).to(parts[0].device).split([len(part) for part in parts])]


def _shares(descending: Tensor, running: Tensor) -> Tensor:
    """Each entry over the sum of all entries that are not smaller, which ends with the last of its equals."""
    places = torch.arange(len(descending), device=descending.device)
    is_last = torch.cat([descending[1:] != descending[:-1], torch.ones_like(descending[:1], dtype=torch.bool)])
    last = torch.where(is_last, places, len(descending)).flip(0).cummin(0).values.flip(0)
    return torch.where(descending > 0, descending / running[last], 0.0)
