"""GraSP: gradient signal preservation, score w * (H g) (Wang et al., arXiv 2002.07376).

The paper gives a weight -w * (H g), the change of gradient flow when it goes, and removes the highest; here higher = keep, so the sign
is turned. Outputs are divided by a temperature before the loss. g and H are those of the prunable weights that are left.
Deviations: the authors' two halves of the data are pieces of at most the scoring batch size, over which g and H are summed; where the
scoring set holds fewer than `samples_per_class` images of a class, all of them are taken; the classifier is not re-initialised.
Computed in fp32 whatever the run's precision: a second derivative of bfloat16 values has few digits left.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from .base import ScoringTask

CHOICES = {"grasp": "GraSP"}
LOOK = {"grasp": {"colour": "#009E73"}}
COST = {"grasp": 4.0}  # a gradient and a Hessian-gradient product
MEMORY = {"grasp": 4.5}  # the graph of the gradient too; measured, benchmarks/memory.md
OPTIONS = {
    "samples_per_class": {"default": 10, "ge": 1, "le": 1000, "help": "Images of each class to score with, as far as the scoring set goes"},
    "temperature": {"default": 200.0, "ge": 0.01, "le": 10_000.0, "help": "Outputs are divided by this before the loss"},
}


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """w * (H g) at the masked weights."""
    weights = {name: weight.requires_grad_() for name, weight in task.masked(task.weights).items()}
    leaves, pieces = list(weights.values()), _pieces(task.batches, task.options["samples_per_class"])

    def gradient(x: Tensor, y: Tensor, create_graph: bool) -> tuple[Tensor, ...]:
        loss = cross_entropy(functional_call(task.model, weights, (x,)) / task.options["temperature"], y)
        return torch.autograd.grad(loss, leaves, create_graph=create_graph, materialize_grads=True)

    flow = [torch.zeros_like(leaf) for leaf in leaves]
    for x, y in pieces:
        task.passes.gradients += len(y)
        torch._foreach_add_(flow, gradient(x, y, create_graph=False))
    for name, direction in zip(weights, flow, strict=True):
        direction.masked_fill_(~task.masks[name], 0.0)  # nothing flows through what is pruned
    product = [torch.zeros_like(leaf) for leaf in leaves]
    for x, y in pieces:
        task.passes.products += len(y)
        along: Any = sum((a * b).sum() for a, b in zip(flow, gradient(x, y, create_graph=True), strict=True))
        torch._foreach_add_(product, torch.autograd.grad(along, leaves, materialize_grads=True))
    return {name: weights[name].detach() * found for name, found in zip(weights, product, strict=True)}


def _pieces(batches: list[tuple[Tensor, Tensor]], samples_per_class: int) -> list[tuple[Tensor, Tensor]]:
    """The first images of each class, in the scoring set's order, in nearly equal pieces of at most the scoring batch size.

    No piece has one image, where there are more: BatchNorm cannot train on it.
    """
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    labels = y.cpu()
    # How many of its class came before each image.
    before = torch.nn.functional.one_hot(labels).cumsum(0).gather(1, labels[:, None]).view(-1) - 1
    chosen = before < samples_per_class
    if chosen.sum() < 2:
        chosen[:2] = True
    places = chosen.nonzero()[:, 0].to(y.device)
    x, y = x[places], y[places]
    count = -(-len(y) // max(len(batch) for _, batch in batches))
    count = max(1, min(count, len(y) // 2))
    return list(zip(x.tensor_split(count), y.tensor_split(count), strict=True))
