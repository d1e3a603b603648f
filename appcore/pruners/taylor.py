"""First-order Taylor expansion: abs(gradient * weight) (Molchanov et al., arXiv 1611.06440 and, for single parameters, 1906.10771).

The estimated change of the loss when the weight goes; with every mask at 1 it equals SNIP with summed batches.
Deviation: gradients are accumulated over the scoring set before the absolute value; the papers average absolute or squared values
of batches. Weights are scored as they are in the masked network, so a pruned one scores 0.
"""

from __future__ import annotations

from torch import Tensor

from .base import ScoringTask, sensitivity

CHOICES = {"taylor": "Taylor (first order)"}
LOOK = {"taylor": {"colour": "#5B8C2A"}}


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """abs(w * sum over batches of dL/dw) at the masked weights."""
    return sensitivity(task, task.masked(task.weights), task.batches)
