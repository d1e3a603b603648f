"""FLOPs that a run spends beside training: on scores, gradients of pruned weights, validation and tests. Counted where they are spent, from
the images that passed through the network: dense, and sparse if zeros cost nothing (theoretical, as for training).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ..masks import selection
from ..pruners.base import Passes
from .flops import Flops

SCORING, GROWTH, VALIDATION, TESTS = PURPOSES = ("scoring", "growth", "validation", "test")
Spent = tuple[int, int]  # dense, sparse


def none() -> dict[str, int]:
    """The counts at the start of a run, by the names that they have in its totals."""
    return {f"{purpose}_flops_{kind}": 0 for purpose in PURPOSES for kind in ("dense", "sparse")}


def spend(state: Any, purpose: str, spent: Spent) -> None:
    """Add to the counts of a purpose in a RunState; nothing where the run was begun by a version that did not count."""
    if state.other_flops is not None:
        for kind, count in zip(("dense", "sparse"), spent, strict=True):
            state.other_flops[f"{purpose}_flops_{kind}"] += count


def totals(state: Any) -> dict[str, int]:
    """The counts by purpose and the sums with training; empty where part of the run was not counted."""
    if state.other_flops is None:
        return {}
    trained = {"dense": state.flops_dense, "sparse": state.flops_sparse}
    sums = {kind: own + sum(state.other_flops[f"{purpose}_flops_{kind}"] for purpose in PURPOSES) for kind, own in trained.items()}
    return {**state.other_flops, **{f"total_flops_{kind}": count for kind, count in sums.items()}}


def added(counts: Iterable[Spent]) -> Spent:
    """The sum of several."""
    dense, sparse = (sum(column) for column in zip((0, 0), *counts, strict=True))
    return dense, sparse


def shares(masks: Mapping[str, Tensor]) -> dict[str, float]:
    """Fraction kept of each layer."""
    kept = selection.count(dict(masks))
    return {name: kept[name] / mask.numel() for name, mask in masks.items()}


def of_evaluation(flops: Flops, kept: Mapping[str, float], images: int) -> Spent:
    """Forward passes. `kept`: fraction of each layer, here and below."""
    return flops.forward * images, flops.sparse_forward(kept) * images


def of_scoring(flops: Flops, passes: Passes, kept: Mapping[str, float], pool: Mapping[str, float]) -> Spent:
    """The passes of a criterion. `pool`: the fraction that it ranks, whose gradients are wanted, pruned or not."""
    if not (passes.gradients or passes.products):
        return 0, 0
    sparse, extra = flops.sparse_training(kept), flops.dense_gradient(kept, pool)
    product = flops.hessian_product * sparse / flops.training
    return (
        flops.training * passes.gradients + flops.hessian_product * passes.products,
        round((sparse + extra) * passes.gradients + (product + extra) * passes.products),
    )


def of_growth(flops: Flops, kept: Mapping[str, float], images: int, *, is_own_pass: bool) -> Spent:
    """Gradients of all weights, pruned ones too: of a training step that takes place anyway, or in a pass of their own."""
    extra = flops.dense_gradient(kept) * images
    return (flops.training * images, flops.sparse_training(kept) * images + extra) if is_own_pass else (0, extra)
