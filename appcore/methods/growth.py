"""Shared by methods that bring pruned weights back: when masks are updated, and how weights are exchanged or added.

Weights that are brought back start at 0 without momentum (`RunState.set_masks`). Offers no method itself.
"""

from __future__ import annotations

import copy
from typing import Any

from ..masks import selection
from ..masks.reads import read
from .base import Segment


def is_due(segment: Segment, step: int, steps: int, every: float) -> bool:
    """Whether a mask update falls after this step (from 1) of an epoch of `steps` steps, with one update per `every` steps.

    An update due on the last step of an epoch waits for the first step of the next, also over the end of a megabatch: no weights are
    validated, tested or carried on that came back and were not trained.
    """
    if step == steps > 1:
        return False
    done = (segment.epoch + (segment.megabatch > 0)) * steps + step
    before = done - 2 if step == 1 and steps > 1 else done - 1
    return done // every > max(0, before) // every


def exchange(state: Any, scores: dict[str, Any], fraction: float) -> int:
    """In each layer drop `fraction` of the kept weights, smallest first, and bring back as many others, highest score first.

    A weight is not brought back by the update that drops it, so a layer can exchange no more than it lacks. Returns how many came back.
    """
    kept, sizes = state.kept_by_layer(), {name: state.model.get_parameter(name).detach().abs() for name in state.masks}
    counts = {name: min(round(fraction * kept[name]), mask.numel() - kept[name]) for name, mask in state.masks.items()}
    stays = selection.keep_each(sizes, {name: kept[name] - count for name, count in counts.items()}, eligible=state.masks)
    comes = selection.keep_each(scores, counts, eligible={name: ~mask for name, mask in state.masks.items()})
    state.set_masks({name: stays[name] | comes[name] for name in counts})
    return sum(counts.values())


def enlarged(state: Any, scores: dict[str, Any], density: float) -> dict[str, Any]:
    """The masks with weights added up to `density`, highest score first; how they spread over layers follows the scope."""
    import torch

    top = 1.0 + max(read([score.max() for score in scores.values()]))
    ranked = {name: torch.where(state.masks[name], top, score) for name, score in scores.items()}
    return selection.keep_top(ranked, state.goal(density), state.config.scope, costs=state.costs())


def gradients(state: Any, megabatch: int) -> dict[str, Any]:
    """abs(dL/dw) of all prunable weights, pruned ones too, summed over the scoring set; on a scratch copy, as a pruner scores."""
    import torch
    from torch.nn.functional import cross_entropy

    scratch = copy.deepcopy(state.model).eval()
    for module in scratch.modules():  # BatchNorm in training mode; dropout off, since it draws process-wide numbers
        module.train(isinstance(module, torch.nn.modules.batchnorm._BatchNorm))
    parameters = dict(scratch.named_parameters())
    scratch.zero_grad(set_to_none=True)
    with torch.enable_grad():
        for x, y in state.stream.scoring_batches(megabatch):
            cross_entropy(scratch(x), y).backward()
    return {name: parameters[name].grad.abs() for name in state.masks}
