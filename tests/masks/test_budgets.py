"""Masks by a share of the FLOPs and by densities of layers, against numbers that were worked out by hand and a walk over all weights."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from torch import nn

import appcore
from appcore import InputError
from appcore.engine import flops
from appcore.masks import selection
from appcore.quotas import Costs, between, by_layer, fitted, on_the_way

SIZES = {"0.weight": 18, "3.weight": 54, "6.weight": 192}
# 8 x 8 and 4 x 4 output positions and one, two FLOPs for each multiply-add.
COSTS = Costs(18 * 128 + 54 * 32 + 192 * 2, {"0.weight": 128, "3.weight": 32, "6.weight": 2})


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)
    )


def images() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 3, 0])


def by_hand(scores: dict[str, torch.Tensor], eligible: dict[str, torch.Tensor], budget: int) -> set[tuple[str, int]]:
    """The weights of the highest scores, one after another until the next one costs too much."""
    order = [(name, place) for name in scores for place in range(scores[name].numel()) if eligible[name].flatten()[place]]
    kept: set[tuple[str, int]] = set()
    for name, place in sorted(order, key=lambda one: -float(scores[one[0]].flatten()[one[1]])):
        if COSTS.each[name] > budget:
            break
        budget -= COSTS.each[name]
        kept.add((name, place))
    return kept


def test_costs_are_those_worked_out_by_hand() -> None:
    model = network()
    assert flops.costs(model.eval(), images()[0][:1], SIZES) == COSTS
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert flops.costs(model, images()[0][:1], SIZES) == COSTS
    assert Costs(100, {"a": 1}).budget(0.29, {"a": 100}) == 29
    assert COSTS.budget(0.5, SIZES) == 2208 and COSTS.share({"0.weight": 9, "3.weight": 54, "6.weight": 0}, SIZES) == 2880 / 4416


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.2, 0.01, 0.0])
@pytest.mark.parametrize("is_partly_pruned", [False, True])
def test_as_many_of_the_best_weights_are_kept_as_the_flops_allow(share: float, is_partly_pruned: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    scores = {name: torch.rand(size, generator=generator).round(decimals=2) for name, size in SIZES.items()}  # with ties
    eligible = {name: torch.rand(size, generator=generator) > 0.3 if is_partly_pruned else score > -1 for (name, size), score in zip(
        SIZES.items(), scores.values(), strict=True
    )}  # fmt: skip
    found = selection.keep_top(scores, share, "flops", eligible if is_partly_pruned else None, costs=COSTS)
    wanted = by_hand(scores, eligible, math.floor(share * COSTS.total))
    assert {(name, int(place)) for name, mask in found.items() for place in mask.nonzero()} == wanted
    assert COSTS.share(selection.count(found), SIZES) <= share


@pytest.mark.parametrize("granularity", ["weight", "kernel", "filter"])
@pytest.mark.parametrize("digits", [0, 1, 6])
def test_large_networks_are_cut_as_by_sorting_all_weights(granularity: str, digits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    shapes = {"a": (40, 16, 3, 3), "b": (64, 40, 3, 3), "c": (10, 64)}
    scores = {name: torch.randn(shape, generator=generator).pow(3).round(decimals=digits) for name, shape in shapes.items()}  # with ties
    eligible = {name: torch.rand(shape, generator=generator) > 0.2 for name, shape in shapes.items()}
    costs = Costs(5760 * 512 + 23040 * 128 + 640 * 2, {"a": 512, "b": 128, "c": 2})
    for share, allowed in itertools.product((1.0, 0.7, 0.31, 0.02, 0.0), (None, eligible)):
        monkeypatch.setattr(selection, "_SORTED", 10)
        monkeypatch.setattr(selection, "_SAMPLED", 5)
        found = selection.keep_top(scores, share, "flops", allowed, granularity, costs)
        monkeypatch.setattr(selection, "_affordable_on_cpu", selection._affordable_on_device)
        wanted = selection.keep_top(scores, share, "flops", allowed, granularity, costs)
        monkeypatch.undo()
        assert all(torch.equal(found[name], wanted[name]) for name in shapes), (share, allowed is None)
        left = costs.share(selection.count(found), {name: score.numel() for name, score in scores.items()})
        dearest = {"weight": 512, "kernel": 9 * 512, "filter": 16 * 9 * 512}[granularity] / costs.total
        assert left <= share and (left > share - dearest or allowed is not None)


def test_the_ranking_is_that_of_scope_global() -> None:
    scores = {name: torch.rand(size, generator=torch.Generator().manual_seed(3)) for name, size in SIZES.items()}
    found = selection.keep_top(scores, 0.4, "flops", costs=COSTS)
    same = selection.keep_top(scores, sum(selection.count(found).values()) / sum(SIZES.values()))
    assert all(torch.equal(found[name], same[name]) for name in found)


def test_what_is_not_pruned_costs_too() -> None:
    model = network()
    masks = appcore.prune(model, images(), density=0.5, scope="flops", exempt=["6"])
    kept = selection.count(masks) | {"6.weight": 192}
    left = COSTS.share(kept, SIZES)
    assert 0.5 - 128 / COSTS.total < left <= 0.5
    with pytest.raises(InputError, match=r"5 % of the FLOPs cannot be reached.*costs 8\.7 %"):
        appcore.prune(model, images(), density=0.05, scope="flops", exempt=["6"])


@pytest.mark.parametrize("pruner", ["magnitude", "snip", "synflow", "force"])
@pytest.mark.parametrize("granularity", ["weight", "filter", "2:4"])
def test_criteria_and_groups_keep_within_the_flops(pruner: str, granularity: str) -> None:
    masks = appcore.prune(network(), images(), density=0.6, scope="flops", pruner=pruner, granularity=granularity, prunable="all")
    left = COSTS.share(selection.count(masks), SIZES)
    largest = 9 * 128 if granularity == "filter" else 128
    assert left <= 0.6 and (granularity == "2:4" or left > 0.6 - largest / COSTS.total)


@pytest.mark.parametrize("pruner", ["magnitude", "snip", "synflow", "force"])
def test_each_layer_keeps_its_density(pruner: str) -> None:
    model = network()
    before = copy.deepcopy(model)
    masks = appcore.prune(model, images(), density={"3": 0.5, "6.weight": 0.1}, pruner=pruner, prunable="all", scope="erk")
    assert selection.count(masks) == {"0.weight": 18, "3.weight": 27, "6.weight": 19}  # 19.2
    if pruner == "magnitude":
        kept = before[6].weight.abs()[masks["6.weight"]]
        assert kept.min() >= before[6].weight.abs()[~masks["6.weight"]].max()
    again = appcore.prune(model, images(), density={"3": 1, "0": 0.5}, pruner=pruner, prunable="all", masks=masks)
    assert selection.count(again) == {"0.weight": 9, "3.weight": 27, "6.weight": 19}  # what is pruned stays pruned


def test_groups_come_as_near_as_they_can_in_each_layer() -> None:
    masks = appcore.prune(network(), density={"3": 0.6, "6": 0.5}, granularity="filter", prunable="all")
    assert selection.count(masks) == {"0.weight": 18, "3.weight": 36, "6.weight": 96}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"7": 0.5}, r"'7' is no layer that is pruned here.*there are 0, 3, 6"),
        ({"0.weigth": 0.5}, "is no layer"),
        ({"3": 0}, "3=0 is no share"),
        ({"3": 1.01}, "3=1.01 is no share"),
        ({"3": -0.5}, "no share"),
        ({"3": math.nan}, "no share"),
        ({"3": math.inf}, "no share"),
        ({"3": True}, "no share"),
        ({"3": None}, "no share"),
        ({"3": [0.5]}, "no share"),
        ({"3": 10**400}, "no share"),
        ({3: 0.5}, "no name"),
        ({"": 0.5}, "no name"),
        ({"a,b": 0.5}, "no name"),
        ({"3": 0.5, "3.weight": 0.5}, "two densities"),
        ({"x" * 5000: 0.5}, "is no layer"),
        ({"3\n": "y" * 5000}, "no share"),
    ],
)
def test_densities_that_cannot_be_are_refused_in_a_line(given: dict, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        appcore.prune(network(), density=given, prunable="all")
    assert refused.value.field == "density" and "\n" not in refused.value.message and len(refused.value.message) < 400


def test_near_names_are_listed() -> None:
    with pytest.raises(InputError, match=r"'layer1\.conv' is no layer.*did you mean layer1\.conv2 or layer1\.conv1\?"):
        fitted(by_layer({"layer1.conv": 0.5}), ["layer1.conv1.weight", "layer1.conv2.weight", "fc.weight"])


@pytest.mark.parametrize("asked", [{"density": {"3": 0.5}}, {"density": 0.5, "images": None}])
def test_what_a_share_of_flops_cannot_do_without_is_said(asked: dict) -> None:
    with pytest.raises(InputError, match="scope flops"):
        appcore.prune(network(), **{"images": images(), "scope": "flops", **asked})


def test_layers_keep_pace_with_the_schedule() -> None:
    end = {"a": 0.25, "b": 1.0}
    assert on_the_way(end, 0.8**2, 0.8**4) == pytest.approx({"a": 0.5, "b": 1.0})  # half of the rounds
    assert on_the_way(end, 1.0, 0.5) == {"a": 1.0, "b": 1.0}
    assert on_the_way(end, 0.8**4.5, 0.8**4.5) == on_the_way(end, 0.1, 0.8**4.5) == end  # exactly
    assert between({"a": 1.0, "b": 0.1}, {"a": 0.25, "b": 0.5}, 0.5) == pytest.approx({"a": 0.5, "b": 0.1})
