"""FORCE: foresight connection sensitivity, with weights that may return (de Jorge et al., arXiv 2006.09081).

The gradient is taken at the network that is left, but every weight is scored by its value from before the first round, also
the ones cut in earlier rounds: abs(w * dL/d(c w)). Density falls exponentially; each round takes one batch, as in the authors' code.
Deviations: batches come from the scoring set in turn rather than freshly drawn; gradients of several are summed rather than averaged,
which changes no rank; in a stream, weights that earlier prune points removed do not return, and the ladder starts at
the density in force.
Its masks are chaotic: one weight that rounding exchanges on a round changed 49 to 90 % of the kept weights at the end.
"""

from __future__ import annotations

from torch import Tensor

from .base import ScoringTask, exponential, sensitivity

CHOICES = {"force": "FORCE"}
CHAOTIC = {"force": "rounds"}
LOOK = {"force": {"colour": "#7A5AC8"}}
REGROWS = {"force": True}
OPTIONS = {
    "rounds": {"default": 60, "ge": 1, "le": 1000, "help": "Rounds of scoring and cutting at each prune point"},
    "batches": {"default": "one", "in": ["one", "all"], "help": "Scoring batches for each round: one, in turn, or all of them"},
}


def ladder(start: float, end: float, options: dict) -> list[float]:
    """Every round removes the same share of the remaining weights."""
    return exponential(start, end, options["rounds"])


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """abs(w * dL/d(c w)) at the masks c of the previous round, with the weights w from before the first round."""
    batches = task.batches if task.options.get("batches") == "all" else task.batch_in_turn
    return sensitivity(task, task.originals or task.weights, batches)
