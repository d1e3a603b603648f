"""Groups of weights as a setting of runs: every criterion, every group whole, and numbers that pages read."""

from __future__ import annotations

import pytest
import torch

import appcore
from appcore import RunConfig, plugins
from appcore.engine.prune_point import prune
from appcore.engine.state import RunState
from appcore.events import Pruned
from appcore.masks import groups, selection
from appcore.quotas import GRANULARITIES

SMALL = {"arch": "resnet20", "limit_train": 64, "limit_test": 32, "megabatches": 2, "epochs": 1, "score_batch_size": 16, "batch_size": 16}


def is_whole(mask: torch.Tensor, kind: str) -> bool:
    """Whether each group is kept or removed as one."""
    sizes = groups.spread(groups.sums(torch.ones_like(mask), kind), kind, tuple(mask.shape))
    kept = groups.spread(groups.sums(mask, kind), kind, tuple(mask.shape))
    return bool(((kept == 0) | (kept == sizes)).all())


@pytest.mark.parametrize("pruner", sorted(plugins.choices("pruners")))
def test_every_criterion_removes_whole_filters(pruner: str) -> None:
    options = {"rounds": 3} if "rounds" in plugins.find("pruners", pruner).options else {}
    state = RunState.create(RunConfig(**SMALL, pruner=pruner, granularity="filter", options=options))
    total, before = sum(mask.numel() for mask in state.masks.values()), state.masks
    for density in (0.7, 0.4):
        after = prune(state, 0, density).masks
        assert all(is_whole(mask, "filter") for mask in after.values())
        assert not any(bool((after[name] & ~before[name]).any()) for name in after)
        largest = max(mask[0].numel() for mask in after.values())
        assert abs(sum(selection.count(after).values()) - round(density * total)) <= largest / 2
        before = after


@pytest.mark.parametrize("kind", [kind for kind in GRANULARITIES if kind != "weight"])
def test_a_run_says_what_it_kept(kind: str) -> None:
    config = RunConfig(**SMALL, tau=3.0, granularity=kind)
    pruned = [event for event in appcore.run(config) if isinstance(event, Pruned)]
    assert len(pruned) == 2
    for event in pruned:
        assert event.density_mask == pytest.approx(event.density_effective)
        assert event.density_alive <= event.density_mask <= event.density_requested + 0.01
        shown = event.facts["scores"]
        assert sum(shown["kept"]) == sum(layer.kept for layer in event.layers)
    if ":" not in kind:  # the scores that the page shows are what groups were ranked by: none below the threshold was kept
        assert abs(pruned[-1].density_mask - pruned[-1].density_requested) < 0.01


def test_single_weights_are_the_same_experiment_as_before() -> None:
    assert RunConfig(granularity="weight").fingerprint == RunConfig().fingerprint != RunConfig(granularity="filter").fingerprint


@pytest.mark.parametrize("method", ["set", "rigl", "apgp", "cs", "ll-bu"])
def test_methods_that_move_single_weights_refuse_groups(method: str) -> None:
    with pytest.raises(ValueError, match="single weights"):
        RunConfig(method=method, granularity="filter")
