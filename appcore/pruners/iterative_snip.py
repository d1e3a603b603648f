"""Iterative SNIP: SNIP again and again while the density falls exponentially (de Jorge et al., arXiv 2006.09081).

Within a prune point a weight that was cut stays cut; scores are those of the network that is left. As in the authors' code each round
takes one batch, here the next of the scoring set, which is gone through in turn (they draw a fresh one, and for CIFAR-100 ten).
Deviations: gradients of several batches are summed rather than averaged, which changes no rank; in a stream the ladder starts
at the density in force.
Its masks are chaotic: one weight that rounding exchanges on a round changed 49 to 90 % of the kept weights at the end.
"""

from __future__ import annotations

from torch import Tensor

from .base import ScoringTask, exponential, sensitivity

CHOICES = {"iterative-snip": "Iterative SNIP"}
CHAOTIC = {"iterative-snip": "rounds"}
LOOK = {"iterative-snip": {"colour": "#C8385A"}}
OPTIONS = {
    "rounds": {"default": 60, "ge": 1, "le": 1000, "help": "Rounds of scoring and cutting at each prune point"},
    "batches": {"default": "one", "in": ["one", "all"], "help": "Scoring batches for each round: one, in turn, or all of them"},
}


def ladder(start: float, end: float, options: dict) -> list[float]:
    """Every round removes the same share of the remaining weights."""
    return exponential(start, end, options["rounds"])


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """abs(dL/dc) of the remaining weights."""
    batches = task.batches if task.options.get("batches") == "all" else task.batch_in_turn
    return sensitivity(task, task.weights, batches)
