"""FLOPs beside training, against numbers worked out by hand for the mlp on 8x8 digits. One multiply-add is two FLOPs."""

from __future__ import annotations

import json

import pytest
import torch

from appcore import RunConfig, run
from appcore.engine import compute, flops
from appcore.engine.loop import run as run_state
from appcore.engine.prune_point import select
from appcore.engine.state import OTHER_REDRAW, RunState
from appcore.events import Finished, MegabatchDone, Pruned, SegmentDone, Started
from appcore.planning.plan import plan

# 64-300-100-10. Backward costs twice the forward pass, but nobody needs the gradient of the images.
F1, F2, F3 = 2 * 64 * 300, 2 * 300 * 100, 2 * 100 * 10
FORWARD, TRAINING = F1 + F2 + F3, 2 * F1 + 3 * F2 + 3 * F3
# Two megabatches of 60 images, 6 of each for validation; full replay. 12 of each are scored, in batches of 5, 5 and 2.
SMALL = {"arch": "mlp", "limit_train": 120, "limit_test": 30, "megabatches": 2, "epochs": 2, "batch_size": 16, "score_batch_size": 5}
SMALL |= {"lr": 0.05, "device": "cpu", "scope": "layer"}
TRAIN, VAL, SCORED, TEST = (54, 108), (6, 12), 12, 30


def of(events: list, kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def halved(**values) -> RunState:
    """A network of which each layer keeps half."""
    state = RunState.create(RunConfig(**{**SMALL, **values}))
    for mask in state.masks.values():
        mask.view(-1)[::2] = False
    state.apply_masks()
    return state


def test_a_product_with_the_hessian_by_hand() -> None:
    """Forward and backward, then backward through both: six products of matrices in a layer, two in the first."""
    cost = flops.count("mlp", (1, 8, 8), 10)
    assert (cost.forward, cost.training) == (FORWARD, TRAINING) and cost.hessian_product == TRAINING + 2 * F1 + 6 * F2 + 6 * F3


def test_sparse_counts_scale_each_layer() -> None:
    cost = flops.count("mlp", (1, 8, 8), 10)
    half = dict.fromkeys(cost.layers, 0.5)
    assert cost.sparse_forward(half) == FORWARD / 2 and cost.sparse_forward({"fc2.weight": 0.25}) == F1 + F2 // 4 + F3
    # As RigL's paper counts an update: of a layer's three passes two are sparse and one is dense.
    assert cost.sparse_training(half) + cost.dense_gradient(half) == (F1 / 2 + F1) + (F2 + F2) + (F3 + F3)
    assert cost.dense_gradient(half, dict.fromkeys(half, 0.75)) == FORWARD / 4 and cost.dense_gradient(half, half) == 0


@pytest.mark.parametrize(
    ("pruner", "options", "gradients", "products"),
    [
        ("random", {}, 0, 0),
        ("magnitude", {}, 0, 0),
        ("lamp", {}, 0, 0),
        ("snip", {}, 12, 0),
        ("snip", {"batches": "one"}, 5, 0),
        ("taylor", {}, 12, 0),
        ("iterative-snip", {"rounds": 4}, 5 + 5 + 2 + 5, 0),
        ("iterative-snip", {"rounds": 4, "batches": "all"}, 4 * 12, 0),
        ("force", {"rounds": 4}, 5 + 5 + 2 + 5, 0),
        ("synflow", {"rounds": 3}, 3, 0),
        ("grasp", {"samples_per_class": 12}, 12, 12),
    ],
)
def test_the_dense_cost_of_scores_is_that_of_the_images_that_passed(pruner: str, options: dict, gradients: int, products: int) -> None:
    state = RunState.create(RunConfig(**SMALL, pruner=pruner, options=options))
    cost = TRAINING * gradients + (TRAINING + 2 * F1 + 6 * F2 + 6 * F3) * products
    assert select(state, 0, 0.5).flops[0] == cost


def test_the_sparse_cost_of_scores_is_that_of_the_masks_they_are_taken_at() -> None:
    assert select(halved(pruner="snip"), 1, 0.25).flops == (TRAINING * 12, TRAINING // 2 * 12)
    # The released code ranks pruned weights too, so it needs their gradients.
    assert select(halved(pruner="snip", semantics="released-code"), 1, 0.25).flops[1] == (TRAINING + FORWARD) // 2 * 12
    # So does FORCE from its second round on: full masks, then half of them.
    fresh = RunState.create(RunConfig(**SMALL, pruner="force", options={"rounds": 2}))
    assert select(fresh, 0, 0.25).flops == (TRAINING * 10, TRAINING * 5 + (TRAINING + FORWARD) // 2 * 5)
    nested = RunState.create(RunConfig(**SMALL, pruner="iterative-snip", options={"rounds": 2}))
    assert select(nested, 0, 0.25).flops == (TRAINING * 10, TRAINING * 5 + TRAINING // 2 * 5)


def expected(train: int = 0, scoring: int = 0, growth: int = 0) -> dict[str, int]:
    """Dense counts of a run of SMALL: two epochs, a validation after each, and a test with its clean training images at each end."""
    found = {"train": TRAINING * 2 * sum(TRAIN), "scoring": scoring, "growth": growth}
    found |= {"validation": FORWARD * 2 * sum(VAL), "test": FORWARD * (2 * TEST + sum(TRAIN))}
    return found | {"total": sum(found.values())}


@pytest.mark.parametrize(
    ("method", "values", "scoring", "growth"),
    [
        ("dense", {}, 0, 0),
        ("osp", {"pruner": "snip"}, TRAINING * SCORED, 0),
        ("app", {"pruner": "snip"}, TRAINING * SCORED * 2, 0),
        ("app", {"pruner": "magnitude"}, 0, 0),
        ("gmp", {}, 0, 0),
        ("gmp", {"pruner": "snip"}, TRAINING * SCORED * 3, 0),  # before the second epoch, the third and the fourth
        ("set", {}, 0, 0),
        ("rigl", {}, 0, 0),  # the dense arithmetic of a training step has the gradients already
        ("apgp", {"pruner": "snip"}, TRAINING * SCORED * 2, TRAINING * SCORED),  # grows once, and prunes again in each megabatch
    ],
)
def test_the_dense_flops_of_each_method(method: str, values: dict, scoring: int, growth: int) -> None:
    (done,) = of(list(run(RunConfig(**{**SMALL, "method": method, **values}))), Finished)
    wanted = expected(scoring=scoring, growth=growth)
    assert {name: getattr(done, f"{name}_flops_dense") for name in wanted} == wanted


@pytest.mark.parametrize("method", ["imp", "cs"])
def test_rounds_of_training_are_validated_each(method: str) -> None:
    config = RunConfig(**SMALL, method=method, tau=2.0, options={"search_rounds": 2} if method == "cs" else {})
    (done,) = of(list(run(config)), Finished)
    passes = 4  # over the epochs of each megabatch: two in the first, two in the second
    assert done.train_flops_dense == TRAINING * passes * sum(TRAIN) and done.validation_flops_dense == FORWARD * passes * sum(VAL)
    assert done.scoring_flops_dense == done.growth_flops_dense == 0


def test_sparse_flops_of_a_pruned_run_and_of_one_that_is_not() -> None:
    (dense,) = of(list(run(RunConfig(**SMALL, method="dense"))), Finished)
    for name in ("train", "scoring", "growth", "validation", "test", "total"):
        assert getattr(dense, f"{name}_flops_sparse") == getattr(dense, f"{name}_flops_dense")
    events = list(run(RunConfig(**SMALL, method="osp", pruner="snip", tau=3.0)))
    (done,), (point,) = of(events, Finished), of(events, Pruned)
    kept = [layer.kept / layer.total for layer in point.layers]
    forward = round(sum(f * share for f, share in zip((F1, F2, F3), kept, strict=True)))
    assert abs(forward - FORWARD * 0.8**3) < 20 and done.validation_flops_sparse == forward * 2 * sum(VAL)
    assert done.test_flops_sparse == forward * (2 * TEST + sum(TRAIN)) and done.scoring_flops_sparse == TRAINING * SCORED
    parts = [getattr(done, f"{name}_flops_sparse") for name in ("train", "scoring", "growth", "validation", "test")]
    assert done.total_flops_sparse == sum(parts)


def test_updates_of_rigl_cost_the_gradients_of_pruned_weights() -> None:
    """One update in each epoch but the first, at its first step, while the cosine has not ended: three here, of 16 images each."""
    state = RunState.create(RunConfig(**SMALL, method="rigl"))
    *_, done = run_state(state, plan(state.config))
    shares = compute.shares(state.masks)
    extra = round(sum(f * (1 - share) for f, share in zip((F1, F2, F3), shares.values(), strict=True)))
    assert (done.growth_flops_dense, done.growth_flops_sparse) == (0, extra * 16 * 3) and extra > 0


def test_growth_of_apgp_costs_a_pass_of_its_own() -> None:
    state = RunState.create(RunConfig(**SMALL, method="apgp", pruner="magnitude", tau=3.0))
    *_, done = run_state(state, plan(state.config))
    cost = flops.count("mlp", (1, 8, 8), 10)
    final = compute.shares(state.masks)  # the density that it grows from is the one that it ends with
    assert done.growth_flops_dense == TRAINING * SCORED
    assert done.growth_flops_sparse == (cost.sparse_training(final) + cost.dense_gradient(final)) * SCORED


def test_counts_go_on_after_a_resume() -> None:
    config = RunConfig(**SMALL, method="apgp", pruner="snip")
    segments, state, snapshots = plan(config), RunState.create(config), []
    for event in run_state(state, segments):
        if isinstance(event, SegmentDone):
            snapshots.append(state.snapshot())
    for tensors, facts in snapshots[::3]:
        *_, again = run_state(RunState.restore(config, tensors, json.loads(json.dumps(facts))), segments)
        assert compute.totals(state) == {name: getattr(again, name) for name in compute.totals(state)}
        assert again.cumulative_parameters == event.cumulative_parameters


def test_a_run_of_an_earlier_version_goes_on_with_unknown_counts() -> None:
    config = RunConfig(**SMALL, method="app", semantics="released-code")
    segments, state = plan(config), RunState.create(config)
    for event in run_state(state, segments):
        if isinstance(event, SegmentDone) and event.cursor == 5:
            break
    tensors, facts = state.snapshot()
    facts = {name: value for name, value in facts.items() if name not in ("other_flops", "cumulative_parameters")}
    started, *rest = run_state(RunState.restore(config, tensors, facts), segments)
    assert isinstance(started, Started) and OTHER_REDRAW in started.notes
    (done,), ends = of(rest, Finished), of(rest, MegabatchDone)
    assert done.train_flops_dense == TRAINING * 2 * sum(TRAIN) and done.total_flops_dense is done.scoring_flops_sparse is None
    assert done.cumulative_parameters is ends[-1].cumulative_parameters is None and ends[-1].parameters is not None


def test_parameters_left_are_summed_over_the_megabatches() -> None:
    """ALMA's memory. 64-300-100-10 has 50,200 weights and 410 biases, which are not pruned."""
    for method, tau in (("dense", 4.5), ("app", 4.5), ("osp", 3.0)):
        events = list(run(RunConfig(**SMALL, method=method, tau=tau)))
        ends, (done,) = of(events, MegabatchDone), of(events, Finished)
        densities = {"dense": (1.0, 1.0), "app": (0.8, 0.8**4.5), "osp": (0.8**3, 0.8**3)}[method]
        assert [end.parameters for end in ends] == [410 + round(density * 50_200) for density in densities]
        assert [end.cumulative_parameters for end in ends] == [ends[0].parameters, sum(end.parameters for end in ends)]
        assert done.cumulative_parameters == ends[-1].cumulative_parameters


@pytest.mark.parametrize("values", [{}, {"restore_best": False}, {"method": "cs", "options": {"search_rounds": 1}}])
def test_the_clean_gap_is_that_of_the_weights_carried_on(values: dict) -> None:
    """Counted again on the state's own network, image by image without augmentation, in evaluation mode."""
    config = RunConfig(**{**SMALL, "crop_padding": 2, **values})
    state = RunState.create(config)
    ends = 0
    for event in run_state(state, plan(config)):
        if isinstance(event, MegabatchDone):
            x, y = state.stream.clean_batch(state.stream.train_indices(event.megabatch))
            with torch.no_grad():
                right = (state.model.eval()(x).argmax(1) == y).sum().item()
            assert event.clean_train_images == len(y) == TRAIN[event.megabatch]
            assert event.clean_train_accuracy == pytest.approx(right / len(y), abs=1.01 / len(y))  # folding may turn a tie
            assert event.clean_gap == event.clean_train_accuracy - event.test_accuracy
            assert event.generalization_gap == event.train_accuracy - event.val_accuracy
            ends += 1
    assert ends == 2
