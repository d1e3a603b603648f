"""The contract of a pruner: a file scores weights; `masks.selection.keep_top`, shared by all, makes the mask.

A file offers `CHOICES = {name: title}` and one function, `scores(task: ScoringTask) -> dict[str, Tensor]`, with the weights' names and
shapes; higher = keep; all values finite. float64 scores are ranked in float64. Zeros everywhere are fine: ties go by order.

Optional:
- `LOOK = {name: {"colour": "#RRGGBB", "short": text}}`, a literal: the colour of its runs, unique and readable on white and on
  dark; without it one is found (plugin_styles); and its name in labels, where the title up to its first comma, colon or bracket is none;
- `OPTIONS = {parameter: {"default", "ge", "le", "in", "help"}}`, a literal; the run's values arrive as `task.options`;
- `ladder(start, end, options) -> list[float]`: densities to pass through within one prune point, from the present density
  (`start`) to the one asked for (`end`, which is also its last). After each rung the masks are cut and scores are asked for again, on a
  fresh copy of the network with the pruned weights at 0. Without it there is one rung, [end];
- `REGROWS = {name: True}`, a literal: weights pruned on an earlier rung of the same prune point may return. Weights pruned
  at an earlier prune point never do (semantics `paper`);
- `CHAOTIC = {name: parameter}`, a literal: with more than one in this parameter (of rounds) the masks hinge on rounding, so pages do not
  offer their overlap with other masks as a finding;
- `COST = {name: factor}`, a literal: work per scoring image and rung, in images of training (default 1; 0 without images). For the
  estimate alone, as the next; what was computed is counted from `task.passes`;
- `MEMORY = {name: factor}`, a literal: activations per scoring image at the peak, in parts of what autograd keeps of one in fp32 (default:
  as in training).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy


@dataclass
class Passes:
    """Images that a criterion passes through the network, from which its FLOPs are counted: forward and backward for `gradients`, and
    through the graph of the gradient as well for `products` with the Hessian."""

    gradients: int = 0
    products: int = 0


@dataclass(frozen=True)
class ScoringTask:
    """The input of a pruner. `model` is a scratch copy, BatchNorm in training mode: it may be changed without effect on the run."""

    model: nn.Module
    names: list[str]  # prunable parameters, e.g. "conv1.weight", in network order
    batches: list[tuple[Tensor, Tensor]]  # (x [B, C, H, W] float, y [B] int64) on the model's device
    masks: dict[str, Tensor]  # the present masks (bool, True = kept): the run's, or those of the previous rung
    generator: torch.Generator  # keyed by seed and megabatch; on the CPU
    options: dict[str, Any] = field(default_factory=dict)  # the file's OPTIONS with the run's values
    originals: dict[str, Tensor] = field(default_factory=dict)  # only for REGROWS: the weights before the first rung; do not change
    rung: int = 0  # of the ladder, from 0
    dtype: torch.dtype = torch.float32  # what the run computes forward and backward in; weights and scores are fp32
    passes: Passes = field(default_factory=Passes)  # to be added to by whatever passes images through the network without `gradients`

    @property
    def weights(self) -> dict[str, Tensor]:
        """The prunable weights by name, without gradient."""
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name].detach() for name in self.names}

    @property
    def batch_in_turn(self) -> list[tuple[Tensor, Tensor]]:
        """One batch of the scoring set, the next on every rung."""
        turn = self.rung % len(self.batches)
        return self.batches[turn : turn + 1]

    def masked(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """These weights with the pruned ones at 0."""
        return {name: weights[name].masked_fill(~self.masks[name], 0.0) for name in self.names}


def gradients(task: ScoringTask, weights: dict[str, Tensor], batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """The sum over batches of dL/dw at `weights`, which stand in for the network's own; pruned weights have a gradient too.

    Computed at the run's precision. bfloat16 moves a SNIP mask less than other batches of the same images do (benchmarks/precision.md).
    """
    leaves = {name: weights[name].detach().requires_grad_() for name in task.names}
    total = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    for x, y in batches:
        task.passes.gradients += len(y)
        with torch.autocast(x.device.type, task.dtype, enabled=task.dtype != torch.float32):
            loss = cross_entropy(functional_call(task.model, leaves, (x,)), y)
        # A layer that the output does not depend on has gradient 0, not an error.
        for name, gradient in zip(task.names, torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True), strict=True):
            total[name] += gradient
    return total


def sensitivity(task: ScoringTask, weights: dict[str, Tensor], batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """SNIP's abs(dL/dc), L summed over batches, for connections c that multiply `weights`, at c = the present masks.

    By the chain rule that is abs(w * dL/d(c w)), so a pruned weight that is not 0 itself has a score as well.
    """
    found = gradients(task, task.masked(weights), batches)
    return {name: (weights[name] * found[name]).abs() for name in task.names}


def exponential(start: float, end: float, rounds: int) -> list[float]:
    """A ladder that removes the same share of the remaining weights on every rung; [end] where there is nothing to remove."""
    if end >= start:
        return [end]
    return [start * (end / start) ** (rung / rounds) for rung in range(1, rounds)] + [end]
