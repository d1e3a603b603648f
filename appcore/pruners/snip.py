"""SNIP: connection sensitivity abs(dL/dc) at c = mask (Lee et al., arXiv 1810.02340).

Deviation, as in APP (arXiv 2204.01640): gradients are summed over all batches of the scoring set before the absolute value;
the paper takes one batch. The paper's normalisation by the sum does not change the ranking and is left out.
"""

from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from .base import Scoring

CHOICES = {"snip": "SNIP"}


def scores(task: Scoring) -> dict[str, Tensor]:
    """abs(sum over batches of dL/dc) for the connection variables c that multiply the weights; c starts at the current mask."""
    weights = task.weights
    connections = {name: task.masks[name].to(weight.dtype).requires_grad_() for name, weight in weights.items()}
    for x, y in task.batches:
        masked = {name: weights[name] * connections[name] for name in task.names}
        cross_entropy(functional_call(task.model, masked, (x,)), y).backward()
    return {name: connections[name].grad.abs() for name in task.names}
