"""The accuracy of a network that is cut and not trained: as a whole, and with only one of its layers cut. The state stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...analysis.what_if import Density
from ...masks import selection
from ...quotas import FLOPS, WEIGHT
from ..folding import Folded
from ..state import RunState
from ..steps import Sums, evaluate_batch
from ..stream import evaluation_batch, normalised
from ..threads import use_threads
from .inspection import Report

SENSITIVITY_IMAGES = 500  # of the test images, when layers are cut one by one: standard error 2.2 points at most
SPARSITIES = (0.5, 0.8, 0.9, 0.95, 0.99)


def whole(
    state: RunState,
    scores: dict[str, Tensor],
    density: Density,
    scope: str,
    exempt: Sequence[str],
    report: Report,
    granularity: str = WEIGHT,
) -> dict[str, Any]:
    """Test accuracy uncut and cut to `density` of the weights of the layers that are not exempt, or of the FLOPs, or to that of each
    layer, by weight: {before, after, images}."""
    use_threads(1)  # the training thread may be running
    images = len(state.stream.data.test_y)
    before = _accuracy(state, state.model, images, lambda share: report(share / 2))
    after = _accuracy(
        state, _cut(state, _masks(state, scores, density, scope, exempt, granularity)), images, lambda share: report(0.5 + share / 2)
    )
    return {"before": before, "after": after, "images": images}


def by_layer(state: RunState, scores: dict[str, Tensor], report: Report, granularity: str = WEIGHT) -> dict[str, Any]:
    """Test accuracy with one layer cut at some sparsities and all others as they are: {layers, sparsities, accuracies, before, images}.

    Of test images evenly spread over all of them, where there are many.
    """
    use_threads(1)
    images = min(SENSITIVITY_IMAGES, len(state.stream.data.test_y))
    names = list(scores)
    rows: list[list[float]] = []
    before = _accuracy(state, state.model, images, lambda share: None)
    for place, name in enumerate(names):
        rows.append([])
        for sparsity in SPARSITIES:
            own = _masks(state, {name: scores[name]}, 1 - sparsity, "layer", (), granularity)
            rows[-1].append(_accuracy(state, _cut(state, {**state.masks, **own}), images, lambda share: None))
            report((place + len(rows[-1]) / len(SPARSITIES)) / len(names))
    return {"layers": names, "sparsities": list(SPARSITIES), "accuracies": rows, "before": before, "images": images}


def _masks(
    state: RunState, scores: dict[str, Tensor], density: Density, scope: str, exempt: Sequence[str], granularity: str = WEIGHT
) -> dict[str, Tensor]:
    """The masks that the highest scores give; pruned weights cannot return."""
    ranked = {name: score for name, score in scores.items() if name not in exempt}
    eligible = {name: state.masks[name] for name in ranked}
    costs = state.flops.costs({name: score.numel() for name, score in ranked.items()}) if scope == FLOPS else None
    return {**state.masks, **selection.keep_top(ranked, density, scope, eligible, granularity, costs)} if ranked else state.masks


def _cut(state: RunState, masks: dict[str, Tensor]) -> nn.Module:
    network = copy.deepcopy(state.model)
    selection.apply(network, masks)
    return network


@torch.no_grad()
def _accuracy(state: RunState, network: nn.Module, images: int, report: Callable[[float], None]) -> float:
    data, sums = state.stream.data, Sums.zero(state.device)
    folded, size = Folded(network.eval()).refresh(), evaluation_batch(data.test_x.device)
    chosen = torch.linspace(0, len(data.test_y) - 1, images, device=data.test_y.device).round().long()
    for start in range(0, images, size):
        places = chosen[start : start + size]
        evaluate_batch(folded, normalised(data.test_x[places], data), data.test_y[places], sums, state.dtype)
        report(min(1.0, (start + size) / images))
    return sums.read().accuracy()
