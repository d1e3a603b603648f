"""A prune point: score on a scratch copy, select by rank, apply. The two semantics of APP live here and nowhere else."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from . import masks, plugins, seeds
from .models import base as models
from .pruners.base import Scoring
from .state import RunState


def prune(state: RunState, megabatch: int, density: float) -> None:
    """Cut the network of `state` to `density`, in place.

    paper: scores of the live weights; pruned weights cannot return; exactly round(density * n) are kept.
    released-code: the two defects of the published code (docs: FIDELITY), on purpose. From the second megabatch on the prunable
    weights are scored at freshly drawn values, and the new mask, ranked over all weights, is multiplied with the old one.
    """
    config = state.config
    released = config.semantics == "released-code"
    if released:
        fresh = list(state.masks) if megabatch > 0 else []
        new = masks.keep_top(_scores(state, megabatch, fresh), density, config.scope)
        new = {name: mask & state.masks[name] for name, mask in new.items()}
    else:
        new = masks.keep_top(_scores(state, megabatch, []), density, config.scope, eligible=state.masks)
    for name, mask in state.masks.items():
        mask.copy_(new[name])
    masks.apply(state.model, state.masks)
    for name, buffer in state.momentum().items():
        if name in state.masks:
            buffer.masked_fill_(~state.masks[name], 0.0)
    state.density_requested = density
    state.best = None  # weights of before the cut do not fit the new mask


def _scores(state: RunState, megabatch: int, fresh: list[str]) -> dict[str, Tensor]:
    """The chosen criterion on a scratch copy in training mode (as APP scores); `fresh` weights are drawn anew first."""
    config = state.config
    scratch = copy.deepcopy(state.model).train()
    if fresh:
        models.initialise(scratch, config.seed, purpose=f"released-code/{megabatch}", only=fresh)
    task = Scoring(
        model=scratch,
        names=list(state.masks),
        batches=state.stream.scoring_batches(megabatch),
        masks=state.masks,
        generator=seeds.generator(config.seed, "pruner", megabatch),
        options={name: config.option("pruner", name) for name in plugins.find("pruners", config.pruner).options},
    )
    with torch.enable_grad():
        return plugins.load("pruners", config.pruner).scores(task)
