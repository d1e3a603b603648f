"""Fisher pruning: how much the loss would rise if a weight were removed, w ** 2 * E[g ** 2] / 2 (Theis et al., arXiv 1801.05787).

An example of a pruner. A pruner only ranks: it gives every prunable weight a number, higher = keep. How many are kept, in which layers,
and that pruned weights stay pruned is decided elsewhere (appcore/masks/selection.py and the run's settings).
Deviation: g is the gradient of a scoring batch, not of a single image, which would take as many passes as there are images.
"""

import torch
from torch import Tensor

from appcore.pruners.base import ScoringTask, gradients

# What users type (--pruner fisher) and what menus show. One file may offer several names.
CHOICES = {"fisher": "Fisher"}
# How it looks in charts. Optional: without it the program picks a colour that no other pruner has.
LOOK = {"fisher": {"short": "Fisher", "colour": "#7A4FA3"}}


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """w ** 2 times the sum over scoring batches of g ** 2; the constant factor changes no rank and is left out."""
    # Gradients are taken where the network stands: with the weights that are pruned already at 0.
    weights = task.masked(task.weights)
    found = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for batch in task.batches:  # each is a pair (images, labels)
        # `gradients` sums over the batches that it is given; squares have to be taken batch by batch.
        for name, gradient in gradients(task, weights, [batch]).items():
            found[name] += gradient**2
    return {name: weights[name] ** 2 * found[name] for name in weights}
