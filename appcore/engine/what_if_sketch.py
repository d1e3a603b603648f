"""A network's scores, reduced to a sketch from which analysis/what_if answers for any density. The half that needs torch."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from ..analysis import what_if, what_if_groups
from ..config import RunConfig, build
from ..masks import groups, selection
from ..planning import plan
from ..planning.relevance import lone_images
from ..quotas import WEIGHT, block
from . import network_check
from .prune_point import walk
from .state import RunState
from .threads import use_threads

_SMALL = 1e-6  # share of the kept weights that an iterative criterion's first round has to remove, so that it scores at all


def present(config: RunConfig, tensors: dict[str, Tensor] | None = None, facts: dict[str, Any] | None = None) -> RunState:
    """The network at its initial values, or as a checkpoint holds it. InputError for data or devices that are not there."""
    return RunState.create(config) if tensors is None else RunState.restore(config, tensors, facts or {})


def scores(state: RunState, criterion: str) -> dict[str, Tensor]:
    """Scores of the state under this criterion, computed once; for an iterative criterion, those of its first round.

    Semantics `paper`, whatever the run's own. The state is only read.
    """
    config = state.config
    values = config.model_dump(mode="json") | {"pruner": criterion, "semantics": "paper", "options": {}, "scope": "global", "densities": ()}
    found: dict[str, Tensor] = {}

    def take(given: dict[str, Tensor]) -> dict[str, Tensor]:
        found.update(given)
        return given

    use_threads(1)  # the training thread may be running
    task = replace(state, config=build(values))
    if lone_images(task.config):  # this criterion may need more images in a batch than that of the run
        network_check.check(task.config, plan.check(task.config))
    rungs = walk(task, megabatch(state), max(0.5 * state.density(), _SMALL), take)
    with suppress(StopIteration):
        while not found:
            next(rungs)
    rungs.close()
    return found


def megabatch(state: RunState) -> int:
    """The megabatch whose scoring set is used: that of the last finished segment."""
    segments = plan.plan(state.config)
    return segments[min(max(state.cursor - 1, 0), len(segments) - 1)].megabatch


def sketch(state: RunState, found: dict[str, Tensor], granularity: str = WEIGHT) -> dict[str, Any]:
    """The sketch as plain numbers and arrays: layers in network order, and their scores at some ranks. Pruned weights are left out.

    `granularity` as in runs: groups are ranked by the sum of their scores; of N:M only what may be kept is ranked.
    """
    layers: list[dict[str, Any]] = []
    ranks: list[np.ndarray] = []
    values: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    eligible = {name: state.masks[name] for name in found}
    for name, score in found.items():
        candidates = score[eligible[name]].reshape(-1)
        if candidates.numel() and not all(math.isfinite(extreme) for extreme in candidates.aminmax()):
            raise ValueError(f"the scores of {name} are not finite, so weights cannot be ranked; the training has probably diverged")
        about: dict[str, Any] = {"name": name, "shape": tuple(score.shape), "total": score.numel()}
        if granularity == WEIGHT or groups.is_bound(granularity):
            if granularity != WEIGHT:
                eligible[name] = groups.bounded(score, granularity, eligible[name])
                candidates = score[eligible[name]].reshape(-1)
            places = what_if.positions(candidates.numel())
            falling = candidates.sort(descending=True).values.cpu().numpy()
            ranks.append(places)
            values.append(falling[places].astype(np.float64))
        else:
            height, width = block(granularity, about["shape"])
            about["group"] = min(height, score.shape[0]) * min(width, score.shape[1]) * score[0, 0].numel()
            for kept, new in zip((ranks, values, starts), _of_groups(score, eligible[name], granularity), strict=True):
                kept.append(new)
        layers.append({**about, "eligible": int(eligible[name].count_nonzero()), "flops": state.flops.layers.get(name, 0)})
    return {
        "layers": layers,
        "ranks": ranks,
        "scores": values,
        "order": what_if.ordered(ranks, values, [layer["eligible"] for layer in layers]),
        "parameters": state.flops.parameters,
        "forward_flops": state.flops.forward,
        "density": selection.density({**state.masks, **eligible}),
        "megabatch": megabatch(state),
        "cursor": state.cursor,
        **({"starts": starts} if starts else {}),
    }


def _of_groups(score: Tensor, eligible: Tensor, granularity: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ranks, scores, starts) of a layer's groups, see analysis/what_if_groups.py; those without a weight are left out."""
    sums = groups.sums(score.masked_fill(~eligible, 0.0), granularity).reshape(-1)
    sizes = groups.sums(eligible, granularity).long().reshape(-1)
    order = sums.masked_fill(sizes == 0, -math.inf).sort(descending=True, stable=True).indices[: int(sizes.count_nonzero())]
    return what_if_groups.points(sums[order].cpu().numpy(), sizes[order].cpu().numpy(), what_if.positions(len(order)))
