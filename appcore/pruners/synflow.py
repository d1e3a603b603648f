"""SynFlow: synaptic flow, without data (Tanaka et al., arXiv 2006.05467).

R is the sum of the outputs for an image of ones, of the network with every parameter at its absolute value; score w * dR/dw. One
round (rounds=1) is not the method: whole layers vanish at high compression, which is what the paper's 100 rounds prevent.
As in the authors' code BatchNorm is in evaluation mode and biases and BatchNorm's parameters are made absolute too.
Deviations: BatchNorm's running mean is set to 0 (it is 0 at initialisation, the paper's setting; after training it would be
subtracted, and R no longer grow with every weight); float64 throughout, since R overflows float32 in deep networks;
in a stream the ladder starts at the density in force.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import ScoringTask, exponential

CHOICES = {"synflow": "SynFlow"}
LOOK = {"synflow": {"colour": "#A67C00"}}
COST = {"synflow": 0.0}  # no images: one of ones per round
OPTIONS = {"rounds": {"default": 100, "ge": 1, "le": 1000, "help": "Rounds of scoring and cutting at each prune point; 1: one-shot"}}


def ladder(start: float, end: float, options: dict) -> list[float]:
    """Every round removes the same share of the remaining weights."""
    return exponential(start, end, options["rounds"])


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """w * dR/dw of the masked network, in float64; never negative."""
    model = _linearised(task)
    weights = [model.get_parameter(name) for name in task.names]
    x = task.batches[0][0]
    output = model(torch.ones(1, *x.shape[1:], dtype=torch.float64, device=x.device)).sum()
    found = torch.autograd.grad(output, weights, materialize_grads=True)
    return {name: weight.detach() * gradient for name, weight, gradient in zip(task.names, weights, found, strict=True)}


@torch.no_grad()
def _linearised(task: ScoringTask) -> nn.Module:
    model = task.model.double().eval()
    for parameter in model.parameters():
        parameter.abs_()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.zero_()
    for name, mask in task.masks.items():
        model.get_parameter(name).masked_fill_(~mask, 0.0)
    return model
