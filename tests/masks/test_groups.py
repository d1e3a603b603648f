"""Masks of groups of weights: against torch.nn.utils.prune, and against a reference in float64 that looks at every weight alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

import appcore
from appcore.masks import selection
from appcore.quotas import GRANULARITIES, check_granularity, quotas

SHAPES = {"a.weight": (6, 1, 3, 3), "b.weight": (8, 6, 3, 3), "c.weight": (5, 8, 1, 1), "d.weight": (4, 10)}
GROUPED = ["kernel", "filter", "channel", "4x4", "2x3"]


def scores(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def group_of(kind: str, shape: tuple[int, ...], place: tuple[int, ...]) -> tuple[int, ...]:
    """The group of one weight, written out."""
    output, column = place[:2]
    if kind == "kernel":
        return output, column
    if kind == "filter" or (kind == "channel" and shape[1] == 1):
        return (output,)
    if kind == "channel":
        return (column,)
    height, width = map(int, kind.split("x"))
    return output // height, column // width


def reference(given: dict[str, Tensor], eligible: dict[str, Tensor], keep: int, kind: str, names: list[str]) -> set[tuple]:
    """The weights of the best groups of these layers, one group after another while that brings the count nearer to `keep`."""
    sums: dict[tuple, float] = {}
    members: dict[tuple, list[tuple]] = {}
    for name in names:
        shape = tuple(given[name].shape)
        for place in itertools.product(*map(range, shape)):
            if eligible[name][place]:
                group = (name, *group_of(kind, shape, place))
                sums[group] = sums.get(group, 0.0) + float(given[name][place].double())
                members.setdefault(group, []).append((name, *place))
    kept: set[tuple] = set()
    for group in sorted(sums, key=lambda group: -sums[group]):
        if abs(len(kept) + len(members[group]) - keep) >= abs(len(kept) - keep):
            break
        kept |= set(members[group])
    return kept


def chosen(masks: dict[str, Tensor]) -> set[tuple]:
    return {(name, *place) for name, mask in masks.items() for place in map(tuple, mask.nonzero().tolist())}


@pytest.mark.parametrize("density", [0.0, 0.13, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("scope", ["global", "layer", "erk"])
@pytest.mark.parametrize("kind", GROUPED)
def test_the_best_groups_are_kept(kind: str, scope: str, density: float) -> None:
    given = scores()
    holes = {name: torch.rand(score.shape, generator=torch.Generator().manual_seed(7)) < 0.8 for name, score in given.items()}
    for eligible in (selection.full(given), holes):
        found = selection.keep_top(given, density, scope, eligible, kind)
        keep = min(selection.keep_count(given, density), sum(selection.count(eligible).values()))
        if scope == "global":
            expected = reference(given, eligible, keep, kind, list(given))
        else:
            shares = quotas(SHAPES, keep, scope, selection.count(eligible))
            expected = set().union(*(reference(given, eligible, shares[name], kind, [name]) for name in given))
        assert chosen(found) == expected


@pytest.mark.parametrize("bound", ["2:4", "1:4", "3:5", "4:8"])
def test_n_of_every_m_inputs(bound: str) -> None:
    most, size = map(int, bound.split(":"))
    given = scores()
    found = selection.keep_top(given, 1.0, granularity=bound)
    for name, score in given.items():
        for place in itertools.product(range(score.shape[0]), *map(range, score.shape[2:])):
            row = score[(place[0], slice(None), *place[1:])].tolist()
            mask = found[name][(place[0], slice(None), *place[1:])].tolist()
            for start in range(0, len(row), size):
                part = range(start, min(start + size, len(row)))
                assert {i for i in part if mask[i]} == set(sorted(part, key=lambda i: -row[i])[:most])
    within = selection.keep_top(given, 0.2, granularity=bound)
    assert sum(selection.count(within).values()) == selection.keep_count(given, 0.2)
    assert not any(bool((within[name] & ~found[name]).any()) for name in given)


def test_masks_are_nested_and_single_weights_stay_as_they_were() -> None:
    for kind in (*GROUPED, "2:4"):
        pool = selection.full(scores())
        for seed, density in enumerate([0.7, 0.4, 0.1]):
            after = selection.keep_top(scores(seed), density, "global", pool, kind)
            assert not any(bool((after[name] & ~pool[name]).any()) for name in after)
            pool = after
    assert all(torch.equal(a, b) for a, b in zip(
        selection.keep_top(scores(), 0.3).values(), selection.keep_top(scores(), 0.3, granularity="weight").values(), strict=True
    ))  # fmt: skip


def test_equal_scores_keep_the_earlier_group() -> None:
    equal = {"w": torch.ones(4, 3, 2, 2)}
    assert selection.keep_top(equal, 0.5, granularity="filter")["w"].flatten(1).all(1).tolist() == [True, True, False, False]
    assert selection.keep_top(equal, 1.0, granularity="2:4")["w"][0, :, 0, 0].tolist() == [True, True, False]


@pytest.mark.parametrize(("kind", "dim"), [("filter", 0), ("channel", 1)])
@pytest.mark.parametrize("amount", [0.25, 0.5, 0.75])
def test_filters_are_those_that_torch_prunes(kind: str, dim: int, amount: float) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3))
    theirs = nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3))
    theirs.load_state_dict(ours.state_dict())
    appcore.prune(ours, density=1 - amount, granularity=kind, scope="layer")
    for module in (theirs[0], theirs[2]):
        torch_prune.ln_structured(module, "weight", amount=amount, n=1, dim=dim)
    assert torch.equal(ours[0].weight, theirs[0].weight)
    assert torch.equal(ours[2].weight, theirs[2].weight)


def test_words() -> None:
    for kind in GRANULARITIES:
        check_granularity(kind)
    for bad in ("rows", "4:2", "4:4", "0:4", "4x", "x4", "2:4:8", ""):
        with pytest.raises(ValueError, match="choose"):
            check_granularity(bad)
    with pytest.raises(appcore.InputError, match="granularity"):
        appcore.prune(nn.Sequential(nn.Linear(4, 4)), density=0.5, granularity="rows")
