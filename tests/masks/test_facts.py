"""Mask facts and controls: numbers that one can check by eye, and enumeration where chance comes in."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from appcore.checks import sanity
from appcore.masks import facts, selection
from appcore.masks.alive import alive_masks
from appcore.models.base import create

SCOPES = ["global", "layer", "erk"]


def bits(text: str) -> Tensor:
    return torch.tensor([letter == "1" for letter in text])


def random_scores(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (4, 3, 3, 3), "b": (6, 4, 1, 1), "c": (5, 24)}
    return {name: torch.randint(0, 40, shape, generator=generator).float() for name, shape in shapes.items()}


# Overlap


def test_overlap_of_two_masks() -> None:
    one, other = {"a": bits("1100"), "b": bits("1111")}, {"a": bits("1010"), "b": bits("1110")}
    total, layers = facts.overlap(one, other)
    assert layers["a"].iou == pytest.approx(1 / 3) and layers["b"].iou == pytest.approx(3 / 4)
    assert total.iou == pytest.approx(4 / 7)
    assert layers["b"].chance == pytest.approx(3 / 4)  # a full layer leaves nothing to chance


def test_overlap_of_a_mask_with_itself_and_of_empty_masks() -> None:
    mask, empty = {"a": bits("1010")}, {"a": bits("0000")}
    assert facts.overlap(mask, mask)[0].iou == 1.0
    assert facts.overlap(empty, empty)[0] == facts.Overlap(1.0, 1.0)
    assert facts.overlap(mask, empty)[0] == facts.Overlap(0.0, 0.0)


@pytest.mark.parametrize(("n", "a", "b", "error"), [(6, 3, 3, 0.01), (20, 4, 9, 0.003), (200, 90, 30, 1e-4), (5000, 1830, 900, 1e-6)])
def test_overlap_by_chance_is_that_of_random_masks(n: int, a: int, b: int, error: float) -> None:
    exact = sum(
        math.comb(a, common) * math.comb(n - a, b - common) / math.comb(n, b) * common / (a + b - common)
        for common in range(max(0, a + b - n), min(a, b) + 1)
    )
    one, other = (torch.arange(n) < size for size in (a, b))
    total, layers = facts.overlap({"w": one}, {"w": other})
    assert layers["w"].chance == pytest.approx(exact, abs=error) and total.chance == layers["w"].chance


def test_overlap_by_chance_counts_each_layers_density() -> None:
    """Two masks that agree only in how much they keep of each layer overlap far more than their density suggests."""
    generator = torch.Generator().manual_seed(0)
    full, thin = torch.ones(1000, dtype=torch.bool), torch.zeros(9000, dtype=torch.bool)
    thin[:100] = True
    mask = {"full": full, "thin": thin}
    measured = [facts.overlap(sanity.shuffled(mask, generator), sanity.shuffled(mask, generator))[0] for _ in range(50)]
    assert sum(overlap.iou for overlap in measured) / 50 == pytest.approx(measured[0].chance, abs=0.002)
    assert measured[0].chance > 0.8


def test_overlap_of_different_networks() -> None:
    total, layers = facts.overlap({"a": bits("10"), "b": bits("11")}, {"b": bits("10"), "c": bits("1")})
    assert list(layers) == ["b"] and total == layers["b"]
    with pytest.raises(ValueError, match="compare runs of one architecture"):
        facts.overlap({"a": bits("10")}, {"b": bits("10")})
    with pytest.raises(ValueError, match=r"masks of a have shapes \(2,\) and \(3,\)"):
        facts.overlap({"a": bits("10")}, {"a": bits("101")})


def test_born_and_dead_weights() -> None:
    assert facts.changes({"a": bits("1100"), "b": bits("10")}, {"a": bits("1011"), "b": bits("10")}) == {"a": (2, 1), "b": (0, 0)}


# Collapse


def test_collapsed_layers_and_channels() -> None:
    kept = {
        "conv": torch.zeros(3, 2, 3, 3, dtype=torch.bool),
        "fc": torch.eye(4, dtype=torch.bool),
        "gone": torch.zeros(3, 2, dtype=torch.bool),
    }
    kept["conv"][1, 0, 2, 2] = True
    assert facts.collapsed_layers(kept) == ["gone"]
    assert facts.collapsed_channels(kept) == {"conv": 2, "fc": 0, "gone": 3}


def test_channels_that_nothing_feeds_are_collapsed_by_alive_masks() -> None:
    model = create("lenet5", (1, 28, 28), 10, 0)
    kept = selection.full_masks(model, selection.prunable_names(model, "all"))
    kept["conv2.weight"][:, 5] = False  # nothing reads channel 5 of conv1
    assert facts.collapsed_channels(kept)["conv1.weight"] == 0
    assert facts.collapsed_channels(alive_masks(model, kept, (1, 28, 28)))["conv1.weight"] == 1


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("nested", [False, True])
def test_the_critical_density_is_where_the_first_layer_dies(scope: str, nested: bool) -> None:
    for seed in range(8):
        scores = random_scores(seed)
        eligible = None
        if nested:
            generator = torch.Generator().manual_seed(seed)
            eligible = {name: torch.rand(score.shape, generator=generator) < 0.6 for name, score in scores.items()}
        found = facts.critical_density(scores, scope, eligible)
        total = sum(score.numel() for score in scores.values())
        assert found is not None and found.density == found.kept / total
        assert facts.collapsed_layers(selection.keep_top(scores, found.density, scope, eligible)) == []
        below = facts.collapsed_layers(selection.keep_top(scores, (found.kept - 1) / total, scope, eligible))
        assert below == [found.layer]
        if scope == "global":  # above it no layer is ever empty
            for keep in range(found.kept, total, 7):
                assert facts.collapsed_layers(selection.keep_top(scores, keep / total, scope, eligible)) == []


def test_the_critical_density_by_eye() -> None:
    scores = {"a": torch.tensor([9.0, 8.0, 7.0]), "b": torch.tensor([1.0, 5.0]), "c": torch.tensor([6.0])}
    assert facts.critical_density(scores) == facts.Critical("b", 5, 5 / 6)
    dead = {"a": bits("111"), "b": bits("00"), "c": bits("1")}
    assert facts.critical_density(scores, eligible=dead) == facts.Critical("c", 4, 4 / 6)
    equal = {"a": torch.ones(2), "b": torch.ones(2)}
    assert facts.critical_density(equal) == facts.Critical("b", 3, 3 / 4)
    assert facts.critical_density(equal, eligible={"a": bits("00"), "b": bits("00")}) is None


# Histogram


def test_a_histogram_counts_every_candidate_once_and_shows_the_cut() -> None:
    scores = {"a": torch.tensor([0.0, 0.001, 2.0, 20.0]), "b": torch.tensor([0.2, 100.0])}
    kept = selection.keep_top(scores, 0.5)
    found = facts.histogram(scores, kept, bins=6)
    assert found.edges == pytest.approx((0, 0.001, 0.01, 0.1, 1, 10, 100))
    assert found.pruned == (1, 1, 0, 1, 0, 0) and found.kept == (0, 0, 0, 0, 1, 2)
    assert found.threshold == 2.0 and found.thresholds == {"a": 2.0, "b": 100.0}


def test_a_histogram_leaves_out_what_could_not_be_chosen() -> None:
    scores = {"a": torch.tensor([4.0, 3.0, 2.0, 1.0])}
    eligible = {"a": bits("0111")}
    kept = selection.keep_top(scores, 0.25, eligible=eligible)
    found = facts.histogram(scores, kept, eligible, bins=4)
    assert sum(found.kept) == 1 and sum(found.pruned) == 2 and found.edges[-1] == 3.0 and found.threshold == 3.0


@pytest.mark.parametrize("values", [[0.0, 0.0], [2.0, 2.0], [1e-30, 1.0], [1e300, 1e-300], [-3.0, 0.0, 2.0, 1e-9]])
def test_a_histogram_of_any_scores(values: list[float]) -> None:
    scores = {"a": torch.tensor(values, dtype=torch.float64)}
    nothing = {"a": torch.zeros(len(values), dtype=torch.bool)}
    found = facts.histogram(scores, nothing)
    assert sum(found.pruned) == len(values) and sum(found.kept) == 0 and found.threshold is None
    assert len(found.edges) == len(found.kept) + 1 and all(math.isfinite(edge) for edge in found.edges)
    assert all(low < high for low, high in zip(found.edges, found.edges[1:], strict=False))


def test_a_histogram_mirrors_its_bins_for_signed_scores() -> None:
    scores = {"a": torch.tensor([-8.0, -1.0, 0.0, 2.0, 8.0])}
    found = facts.histogram(scores, selection.keep_top(scores, 0.4), bins=8)
    assert found.edges == pytest.approx((-8, -4, -2, -1, 1, 2, 4, 8))
    assert found.pruned == (1, 0, 0, 2, 0, 0, 0) and found.kept == (0, 0, 0, 0, 0, 1, 1)


# Controls


def test_controls_keep_the_counts_and_move_the_weights() -> None:
    kept = selection.keep_top(random_scores(), 0.3)
    for control in (sanity.shuffled, sanity.random_like):
        found = control(kept, torch.Generator().manual_seed(1))
        again = control(kept, torch.Generator().manual_seed(1))
        assert selection.count(found) == selection.count(kept)
        for name, mask in kept.items():
            assert found[name].shape == mask.shape and found[name].dtype == torch.bool
            assert torch.equal(found[name], again[name]) and not torch.equal(found[name], mask)


def test_controls_leave_the_global_generator_and_the_mask_alone() -> None:
    kept = selection.keep_top(random_scores(), 0.3)
    before, rng = {name: mask.clone() for name, mask in kept.items()}, torch.get_rng_state()
    for control in (sanity.shuffled, sanity.random_like):
        control(kept, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), rng) and all(torch.equal(kept[name], mask) for name, mask in before.items())


def test_a_shuffle_puts_every_weight_everywhere_equally_often() -> None:
    generator = torch.Generator().manual_seed(0)
    for control in (sanity.shuffled, sanity.random_like):
        often = sum(control({"w": bits("11000")}, generator)["w"].double() for _ in range(2000)) / 2000
        assert float((often - 0.4).abs().max()) < 0.05


def test_inverted_scores_rank_the_other_way() -> None:
    scores = {"w": torch.tensor([3.0, 1.0, 2.0])}
    assert selection.keep_top(sanity.inverted(scores), 1 / 3)["w"].tolist() == [False, True, False]
