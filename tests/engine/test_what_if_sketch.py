"""What if: sketches against exact counts, small cases by eye, and real scores of small networks through the manager."""

from __future__ import annotations

import time

import pytest
import torch
from sketches import FOUR, random_scores, sketched

from appcore.analysis import what_if
from appcore.config import build
from appcore.engine import what_if_sketch
from appcore.engine.shown import cut_accuracy
from appcore.errors import InputError
from appcore.masks import facts, selection
from appcore.quotas import Costs
from appcore.service.manager import Manager
from appcore.storage.store import Store

SMALL = {"arch": "lenet5", "dataset": "digits", "limit_train": 200, "megabatches": 2, "epochs": 1}


def test_four_weights_by_eye() -> None:
    found = what_if.answer(FOUR, 0.75)
    assert (found.layers["kept"].tolist(), found.threshold, found.keep) == ([2, 1], 2.0, 3)
    assert what_if.answer(FOUR, 0.5, "layer").layers["kept"].tolist() == [1, 1]
    spared = what_if.answer(FOUR, 0.5, exempt=["a"])
    assert (spared.layers["kept"].tolist(), spared.threshold, spared.total) == ([2, 1], 2.0, 2)
    assert what_if.answer(FOUR, 0.0).layers["kept"].sum() == 0


def test_first_to_die_by_eye() -> None:
    found = what_if.deaths(FOUR)
    assert found["layer"].tolist() == ["b", "a"]
    assert found["kept"].tolist() == [3, 1]  # with two weights kept, both are in a
    assert found["density"].tolist() == [0.75, 0.25]


def test_bytes_and_flops_by_eye() -> None:
    found = what_if.costs(FOUR, what_if.answer(FOUR, 0.5))
    assert (found["bytes_dense"], found["bytes"]) == (4 * 14, 4 * (10 + 2) + 4 / 8)
    assert (found["flops_dense"], found["flops"]) == (140, 120)


def test_ties_go_to_the_earlier_layer_as_the_engine_gives_them() -> None:
    tied = sketched({"a": torch.tensor([1.0, 0.0, 0.0]), "b": torch.tensor([0.0, 0.0])})
    assert what_if.answer(tied, 0.6).layers["kept"].tolist() == [3, 0]
    assert what_if.deaths(tied)["kept"].tolist() == [4, 1]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("density", [1.0, 0.5, 0.1, 0.01, 0.001])
def test_small_layers_are_exact_for_any_density_scope_and_exemption(density: float, signed: bool) -> None:
    scores = random_scores((900, 4000, 333), signed)
    for scope in ("global", "layer", "erk"):
        exact = selection.count(selection.keep_top(scores, density, scope))
        found = what_if.answer(sketched(scores), density, scope)
        assert dict(zip(found.layers["layer"], found.layers["kept"])) == exact
    rest = {name: scores[name] for name in ("l0", "l2")}
    found = what_if.answer(sketched(scores), density, exempt=["l1"]).layers.set_index("layer")["kept"]
    assert {name: found[name] for name in rest} == selection.count(selection.keep_top(rest, density))
    assert found["l1"] == 4000


@pytest.mark.parametrize("share", [1.0, 0.6, 0.31, 0.1, 0.04])
def test_a_flops_target_is_answered_as_the_engine_cuts_to_it(share: float) -> None:
    scores = {name: score.round(decimals=1) for name, score in random_scores((900, 4000, 333)).items()}  # with ties
    sketch = sketched(scores)
    for layer, price in zip(sketch["layers"], (512, 37, 2)):
        layer["flops"] = price * layer["total"]
    sketch["forward_flops"] = sum(layer["flops"] for layer in sketch["layers"]) + 20_000
    costs = Costs(sketch["forward_flops"], {"l0": 512, "l1": 37, "l2": 2})
    assert what_if.weight_costs(sketch) == costs and what_if.least_removed({**sketch, "density": 1.0}, "flops") == 0
    for spared in ([], ["l1"]):
        asked = {name: score for name, score in scores.items() if name not in spared}
        if spared and share < 0.31:
            with pytest.raises(InputError, match="cannot be reached"):
                what_if.answer(sketch, share, "flops", spared)
            continue
        exact = selection.count(selection.keep_top(asked, share, "flops", costs=costs))
        found = what_if.answer(sketch, share, "flops", spared)
        kept = dict(zip(found.layers["layer"], found.layers["kept"]))
        assert {name: kept[name] for name in asked} == exact
        left = what_if.costs(sketch, found)
        assert 0 <= share - left["flops"] / left["flops_dense"] <= 512 / sketch["forward_flops"]


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_a_flops_target_is_met_in_large_layers(share: float) -> None:
    scores = random_scores((40_000, 300_000, 100_000))
    sketch = sketched(scores)
    for layer, price in zip(sketch["layers"], (200, 50, 2)):
        layer["flops"] = price * layer["total"]
    sketch["forward_flops"] = sum(layer["flops"] for layer in sketch["layers"])
    exact = selection.count(selection.keep_top(scores, share, "flops", costs=what_if.weight_costs(sketch)))
    found = what_if.answer(sketch, share, "flops")
    kept, left = dict(zip(found.layers["layer"], found.layers["kept"])), what_if.costs(sketch, found)
    assert all(abs(kept[name] - exact[name]) <= max(1, 0.005 * exact[name]) for name in exact)
    assert 0 <= share - left["flops"] / left["flops_dense"] <= 200 / sketch["forward_flops"]


def test_each_layer_keeps_the_density_that_was_given() -> None:
    scores = random_scores((900, 4000, 333))
    density = {"l0": 0.5, "l1": 1.0, "l2": 0.1}
    found = what_if.answer(sketched(scores), density)
    assert dict(zip(found.layers["layer"], found.layers["kept"])) == selection.count(selection.keep_top(scores, density))
    assert (found.keep, found.threshold) == (450 + 4000 + 33, None)


def test_the_cut_that_is_tested_counts_flops_and_takes_densities() -> None:
    state = what_if_sketch.present(build(SMALL))
    scores = what_if_sketch.scores(state, "magnitude")
    costs = state.flops.costs({name: score.numel() for name, score in scores.items()})
    masks = cut_accuracy._masks(state, scores, 0.5, "flops", [])
    left = costs.share(selection.count(masks), {name: score.numel() for name, score in scores.items()})
    assert 0.5 - max(costs.each.values()) / costs.total < left <= 0.5
    each = dict.fromkeys(scores, 0.25)
    assert selection.count(cut_accuracy._masks(state, scores, each, "global", [])) == {
        name: round(0.25 * score.numel()) for name, score in scores.items()
    }


@pytest.mark.parametrize("density", [0.9, 0.3, 0.03, 0.003])
def test_large_layers_are_right_to_half_a_percent(density: float) -> None:
    scores = random_scores((40_000, 300_000, 100_000))
    exact = selection.count(selection.keep_top(scores, density))
    found = what_if.answer(sketched(scores), density)
    kept = dict(zip(found.layers["layer"], found.layers["kept"]))
    assert sum(kept.values()) == sum(exact.values())
    assert all(abs(kept[name] - exact[name]) <= max(1, 0.005 * exact[name]) for name in exact)


def test_first_to_die_is_that_of_the_engine() -> None:
    scores = random_scores((900, 4000, 333))
    for scope in ("global", "layer", "erk"):
        exact = facts.critical_density(scores, scope)
        first = what_if.deaths(sketched(scores), scope).iloc[0]
        assert (first["layer"], first["kept"], first["density"]) == (exact.layer, exact.kept, pytest.approx(exact.density))


@pytest.mark.parametrize("signed", [False, True])
def test_histogram_holds_every_weight_once_and_splits_at_the_threshold(signed: bool) -> None:
    sketch = sketched(random_scores((900, 4000), signed))
    found = what_if.answer(sketch, 0.25)
    bins = what_if.histogram(sketch, found)
    assert (bins["kept"].sum(), bins["pruned"].sum()) == (1225, 3675)
    assert bins.loc[bins["low"] > found.threshold, "pruned"].sum() == 0
    assert bins.loc[bins["high"] < found.threshold, "kept"].sum() == 0
    assert what_if.histogram(sketch, found, "l0")[["kept", "pruned"]].sum().sum() == 900


def test_positions_hold_both_ends_and_all_best_ranks() -> None:
    places = what_if.positions(2_000_000)
    assert (places[0], places[-1]) == (0, 1_999_999)
    assert places[: what_if.FINE].tolist() == list(range(what_if.FINE))
    assert len(places) <= what_if.POINTS
    assert what_if.positions(5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("criterion", ["snip", "magnitude", "synflow", "grasp", "force", "lamp", "random"])
def test_scores_at_init_are_those_that_a_run_would_cut_by(criterion: str) -> None:
    state = what_if_sketch.present(build(SMALL))
    found = what_if_sketch.scores(state, criterion)
    assert list(found) == list(state.masks)
    sketch = what_if_sketch.sketch(state, found)
    exact = selection.count(selection.keep_top(found, 0.3, eligible=state.masks))
    assert dict(zip(exact, what_if.answer(sketch, 0.3).layers["kept"])) == pytest.approx(exact, rel=0.01, abs=2)
    assert state.density() == 1.0  # only read


def wait(manager: Manager, config: dict | None, run_id: str | None, criterion: str) -> dict:
    deadline = time.monotonic() + 60
    while (found := manager.scores(config, run_id, criterion))["state"] in ("waiting", "scoring"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_the_manager_scores_fresh_networks_and_checkpoints_on_its_own_thread(tmp_path) -> None:
    manager = Manager(Store(tmp_path / "runs.db"))
    assert manager.scores(SMALL, None, "snip")["state"] in ("waiting", "scoring")
    fresh = wait(manager, SMALL, None, "snip")
    assert fresh["sketch"]["density"] == 1.0
    assert manager.scores(SMALL, None, "snip")["sketch"] is fresh["sketch"]  # kept
    (run_id,) = manager.start([SMALL])
    assert manager.wait(run_id, 60) == "done"
    found = wait(manager, None, run_id, "magnitude")["sketch"]
    assert found["density"] == pytest.approx(0.8**4.5, abs=1e-4)
    assert sum(layer["eligible"] for layer in found["layers"]) == round(0.8**4.5 * 25_500)
    assert found["megabatch"] == 1
    # More cannot be kept than is left.
    assert what_if.answer(found, 0.9).keep == sum(layer["eligible"] for layer in found["layers"])
    manager.close()


def test_what_cannot_be_scored_is_told_and_can_be_asked_again(tmp_path) -> None:
    manager = Manager(Store(tmp_path / "runs.db"))
    failed = wait(manager, {**SMALL, "dataset": "cifar10"}, None, "snip")
    assert failed["state"] == "failed" and "cifar10" in failed["error"]
    manager.forget_scores(failed["key"])
    assert manager.scores({**SMALL, "dataset": "cifar10"}, None, "snip")["state"] != "failed"
    with pytest.raises(ValueError, match="no run"):
        manager.scores(None, "20990101", "snip")
    manager.close()
