"""SNIP: connection sensitivity abs(dL/dc) at c = mask (Lee et al., arXiv 1810.02340).

batches=one is the paper's single batch. batches=all, the default, sums the gradients over all batches of the scoring set before the
absolute value, as APP does (arXiv 2204.01640). Deviation: the paper's normalisation by the sum changes no rank and is left out.
"""

from __future__ import annotations

from torch import Tensor

from .base import ScoringTask, sensitivity

CHOICES = {"snip": "SNIP"}
LOOK = {"snip": {"colour": "#0072B2"}}
OPTIONS = {
    "batches": {
        "default": "all",
        "in": ["all", "one"],
        "help": "Scoring batches that count: all (gradients summed, as APP does) or one (SNIP as published)",
    },
}


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """abs(sum over batches of dL/dc) for the connection variables c that multiply the weights; c starts at the current mask."""
    batches = task.batches[:1] if task.options.get("batches") == "one" else task.batches
    return sensitivity(task, task.weights, batches)
