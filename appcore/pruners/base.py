"""The contract of a pruner: rank, then cut. A file ranks weights; `masks.keep_top`, shared by all, makes the mask.

A file offers `CHOICES = {name: title}`, optionally `OPTIONS = {parameter: {"default", "ge", "le", "help"}}`, and one function,
`scores(task: Scoring) -> dict[str, Tensor]`, with the weights' names and shapes; higher = keep; all values finite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Scoring:
    """What a pruner works on. `model` is a scratch copy in training mode: change it freely, nothing reaches the run."""

    model: nn.Module
    names: list[str]  # prunable parameters, e.g. "conv1.weight", in network order
    batches: list[tuple[Tensor, Tensor]]  # (x [B, C, H, W] float, y [B] int64) on the model's device
    masks: dict[str, Tensor]  # the current masks (bool, True = kept)
    generator: torch.Generator  # keyed by seed and megabatch; on the CPU
    options: dict[str, Any] = field(default_factory=dict)  # the file's OPTIONS with the run's values

    @property
    def weights(self) -> dict[str, Tensor]:
        """The prunable weights by name, without gradient."""
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name].detach() for name in self.names}
