"""Every criterion against a float64 reference that is written here from the paper's formula, and a contract that all plug-ins keep."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import small_nets
import torch
from torch import Tensor, nn
from torch.autograd.functional import hvp
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, cross_entropy, linear

from appcore import RunConfig, plugins
from appcore.engine.digests import digest
from appcore.engine.estimate import memory_bytes
from appcore.engine.prune_point import select
from appcore.engine.state import RunState
from appcore.masks import selection
from appcore.masks.facts import overlap
from appcore.pruners import force, grasp, iterative_snip, lamp, magnitude, snip, synflow, taylor, uniform

PRUNERS = sorted(plugins.choices("pruners"))
NETS = {"mlp": small_nets.mlp, "conv": small_nets.conv}
Scores = dict[str, Tensor]


def close(found: Scores, expected: dict, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    assert list(found) == list(expected)
    for name, score in found.items():
        torch.testing.assert_close(
            score, torch.as_tensor(expected[name]), rtol=rtol, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


def by_differences(function, values: dict[str, Tensor], step: float = 1e-5) -> dict[str, Tensor]:
    """dF/dv for every entry, by central differences."""
    found = {}
    for name, value in values.items():
        found[name] = torch.zeros_like(value)
        for index in range(value.numel()):
            sides = []
            for sign in (1, -1):
                moved = value.clone()
                moved.view(-1)[index] += sign * step
                sides.append(function({**values, name: moved}))
            found[name].view(-1)[index] = (sides[0] - sides[1]) / (2 * step)
    return found


@torch.no_grad()
def loss_at(model: nn.Module, weights: dict[str, Tensor], data: list) -> float:
    """The loss summed over batches of a copy of the network with other weights, BatchNorm in training mode."""
    other = copy.deepcopy(model).train()
    for name, weight in weights.items():
        other.get_parameter(name).copy_(weight)
    return sum(float(cross_entropy(other(x), y)) for x, y in data)


def live(model: nn.Module) -> dict[str, Tensor]:
    return {name: model.get_parameter(name).detach().clone() for name in small_nets.names(model)}


def cases(model: nn.Module) -> list[tuple[nn.Module, dict[str, Tensor]]]:
    """Nothing pruned; pruned; and, as the released code scores, masks in force over weights that are not 0."""
    some = small_nets.some_masks(model)
    return [(model, small_nets.full_masks(model)), (small_nets.cut(copy.deepcopy(model), some), some), (model, some)]


# SNIP and its kin


@pytest.mark.thorough
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("which", ["all", "one"])
def test_snip_is_the_derivative_by_the_connections(net: str, which: str) -> None:
    for model, kept in cases(NETS[net]()):
        weights, data = live(model), small_nets.batches(model)[: 1 if which == "one" else None]
        connections = {name: mask.double() for name, mask in kept.items()}
        expected = by_differences(lambda c: loss_at(model, {name: weights[name] * c[name] for name in c}, data), connections)  # noqa: B023
        found = snip.scores(small_nets.task(model, kept, options={"batches": which}))
        close(found, {name: score.abs() for name, score in expected.items()}, rtol=1e-6, atol=1e-9)


def test_taylor_equals_backpropagation_by_hand() -> None:
    for model, kept in cases(small_nets.mlp()):
        weights = {name: (weight * kept[name]).numpy() for name, weight in live(model).items()}
        expected = small_nets.mlp_gradients(model, weights, small_nets.batches(model))
        found = taylor.scores(small_nets.task(model, kept))
        close(found, {name: np.abs(weights[name] * expected[name]) for name in weights})
        assert all((found[name][~mask] == 0).all() for name, mask in kept.items())


@pytest.mark.thorough
def test_taylor_is_the_change_of_the_loss_to_first_order() -> None:
    for model, kept in cases(small_nets.conv()):
        weights, data = {name: weight * kept[name] for name, weight in live(model).items()}, small_nets.batches(model)
        expected = by_differences(lambda w: loss_at(model, w, data), weights)  # noqa: B023
        found = taylor.scores(small_nets.task(model, kept))
        close(found, {name: (weights[name] * score).abs() for name, score in expected.items()}, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("net", NETS)
def test_taylor_equals_snip_while_nothing_is_pruned(net: str) -> None:
    model = NETS[net]()
    task = small_nets.task(model, small_nets.full_masks(model))
    close(taylor.scores(task), snip.scores(task))


def test_iterative_snip_takes_the_batches_in_turn() -> None:
    model = small_nets.mlp()
    kept, data, weights = small_nets.some_masks(model), small_nets.batches(model), {}
    weights = {name: (weight * kept[name]).numpy() for name, weight in live(model).items()}
    for rung in range(5):
        expected = small_nets.mlp_gradients(model, weights, data[rung % 3 : rung % 3 + 1])
        found = iterative_snip.scores(small_nets.task(small_nets.cut(copy.deepcopy(model), kept), kept, rung=rung))
        close(found, {name: np.abs(weights[name] * expected[name]) for name in weights})
    everything = iterative_snip.scores(small_nets.task(small_nets.cut(model, kept), kept, rung=1, options={"batches": "all"}))
    expected = small_nets.mlp_gradients(model, weights, data)
    close(everything, {name: np.abs(weights[name] * expected[name]) for name in weights})


def test_force_scores_pruned_weights_by_their_value_of_before() -> None:
    model = small_nets.mlp()
    kept, originals = small_nets.some_masks(model), live(model)
    masked = {name: (weight * kept[name]).numpy() for name, weight in originals.items()}
    scratch = small_nets.cut(copy.deepcopy(model), kept)
    found = force.scores(small_nets.task(scratch, kept, originals=originals, options={"batches": "all"}))
    expected = small_nets.mlp_gradients(model, masked, small_nets.batches(model))
    close(found, {name: np.abs(originals[name].numpy() * expected[name]) for name in originals})
    assert any((found[name][~mask] > 0).any() for name, mask in kept.items())


def test_a_dead_unit_has_scores_of_zero() -> None:
    model = small_nets.mlp()
    for plugin in (snip, taylor, iterative_snip, force):
        found = plugin.scores(small_nets.task(model, small_nets.full_masks(model)))
        assert (found["1.weight"][0] == 0).all() and (found["3.weight"][:, 0] == 0).all() and (found["1.weight"][1:] > 0).any()


# GraSP


def conv_forward(model: nn.Module, weights: tuple[Tensor, ...], x: Tensor) -> Tensor:
    own = {name: parameter.detach() for name, parameter in model.named_parameters()}
    x = batch_norm(conv2d(x, weights[0], padding=1), None, None, own["1.weight"], own["1.bias"], training=True)
    x = conv2d(avg_pool2d(x.relu(), 2), weights[1], own["4.bias"], padding=1)
    x = batch_norm(x, None, None, own["5.weight"], own["5.bias"], training=True).relu()
    return linear(x.mean((2, 3)), weights[2], own["9.bias"])


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("samples", "temperature"), [(2, 200.0), (4, 1.0), (100, 3.0)])
def test_grasp_is_w_times_the_hessian_gradient_product(net: str, samples: int, temperature: float) -> None:
    forward = {"mlp": small_nets.mlp_forward, "conv": conv_forward}[net]
    for model, kept in cases(NETS[net]()):
        pieces = small_nets.first_of_each_class(small_nets.batches(model), samples)
        assert samples == 2 or len(pieces) > 1

        def loss(*weights: Tensor) -> Tensor:
            return sum(cross_entropy(forward(model, weights, x) / temperature, y) for x, y in pieces)  # noqa: B023

        weights = tuple((weight * kept[name]).requires_grad_() for name, weight in live(model).items())
        flow = tuple(g * mask for g, mask in zip(torch.autograd.grad(loss(*weights), weights), kept.values(), strict=True))
        product = hvp(loss, weights, flow)[1]
        found = grasp.scores(small_nets.task(model, kept, options={"samples_per_class": samples, "temperature": temperature}))
        expected = {name: (weight * found).detach() for name, weight, found in zip(kept, weights, product, strict=True)}
        scale = max(float(score.abs().max()) for score in expected.values())
        close(found, expected, rtol=1e-8, atol=1e-10 * scale)


def test_grasp_keeps_what_would_lower_the_gradient_flow_when_it_goes() -> None:
    """The sign: shrinking a weight by a share e changes the squared gradient norm by -2 e times its score."""
    model = small_nets.mlp()
    pieces = small_nets.first_of_each_class(small_nets.batches(model), 4)

    def flow(weights: dict[str, Tensor]) -> float:
        gradients = small_nets.mlp_gradients(model, {name: weight.numpy() for name, weight in weights.items()}, pieces)
        return sum(float((gradient**2).sum()) for gradient in gradients.values())

    weights = live(model)
    slope = by_differences(flow, weights, step=1e-6)
    found = grasp.scores(small_nets.task(model, small_nets.full_masks(model), options={"samples_per_class": 4, "temperature": 1.0}))
    close(found, {name: weights[name] * slope[name] / 2 for name in weights}, rtol=1e-4, atol=1e-7)
    assert any((score > 0).any() for score in found.values()) and any((score < 0).any() for score in found.values())


# SynFlow


def flow_through_mlp(model: nn.Module, weights: list[np.ndarray]) -> float:
    total = np.ones(6)
    for weight, layer in zip(weights, (1, 3, 5), strict=True):
        total = np.abs(weight) @ total + np.abs(model.get_parameter(f"{layer}.bias").detach().numpy())
    return float(total.sum())


def flow_through_conv(model: nn.Module, weights: list[np.ndarray]) -> float:
    """The linear network that SynFlow means: absolute parameters, BatchNorm's variance as it is, its mean left out."""
    own = {name: tensor.abs() for name, tensor in model.state_dict().items()}
    w = [torch.from_numpy(np.abs(weight)) for weight in weights]

    def norm(x: Tensor, layer: str) -> Tensor:
        scale = own[f"{layer}.weight"] / (own[f"{layer}.running_var"] + 1e-5).sqrt()
        return x * scale[:, None, None] + own[f"{layer}.bias"][:, None, None]

    x = norm(conv2d(torch.ones(1, 2, 4, 4, dtype=torch.float64), w[0], padding=1), "1")
    x = norm(conv2d(avg_pool2d(x, 2), w[1], own["4.bias"], padding=1), "5")
    return float(linear(x.mean((2, 3)), w[2], own["9.bias"]).sum())


@pytest.mark.parametrize("net", NETS)
def test_synflow_is_the_flow_that_is_lost_with_the_weight(net: str) -> None:
    """R is linear in each single weight, so w * dR/dw is R minus R without that weight."""
    flow = {"mlp": flow_through_mlp, "conv": flow_through_conv}[net]
    for model, kept in cases(NETS[net]()):
        weights = [(weight * kept[name]).numpy() for name, weight in live(model).items()]
        expected = {}
        for layer, name in enumerate(kept):
            expected[name] = np.zeros_like(weights[layer])
            for index in np.ndindex(weights[layer].shape):
                without = [weight.copy() for weight in weights]
                without[layer][index] = 0.0
                expected[name][index] = flow(model, weights) - flow(model, without)
        found = synflow.scores(small_nets.task(copy.deepcopy(model), kept))
        close(found, expected, rtol=1e-9, atol=1e-9)
        assert all((score >= 0).all() and (score[~kept[name]] == 0).all() for name, score in found.items())


def test_synflow_is_conserved_from_layer_to_layer_without_biases() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 3, bias=False)).double()
    found = synflow.scores(small_nets.task(model, small_nets.full_masks(model)))
    assert float(found["1.weight"].sum()) == pytest.approx(float(found["3.weight"].sum()), rel=1e-12)


def test_synflow_does_not_overflow_where_float32_would() -> None:
    layers = [layer for _ in range(30) for layer in (nn.Linear(64, 64), nn.ReLU())]
    model = nn.Sequential(nn.Flatten(), *layers)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    found = synflow.scores(
        small_nets.task(model, small_nets.full_masks(model), batches=[(torch.zeros(2, 64, 1, 1), torch.zeros(2).long())])
    )
    assert all(torch.isfinite(score).all() and float(score.max()) > torch.finfo(torch.float32).max for score in found.values())


# LAMP, magnitude, random


def test_lamp_is_a_weights_share_of_the_energy_of_all_that_are_not_smaller() -> None:
    for make in NETS.values():
        for model, kept in cases(make()):
            found = lamp.scores(small_nets.task(model, kept))
            close(found, {name: small_nets.lamp_by_loops(weight.numpy()) for name, weight in live(model).items()})
            assert all(float(score.max()) == pytest.approx(1.0) for score in found.values())


@pytest.mark.parametrize("values", [[1, 1, 1, 1], [0, 0, 0, 0], [2, -2, 1, 0], [3, -1, 1, 3], [1e-30, 1e30, 0, -1e30]])
def test_lamp_with_ties_and_zeros(values: list[float]) -> None:
    model = nn.Sequential(nn.Linear(4, 1, bias=False)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([values], dtype=torch.float64))
    found = lamp.scores(small_nets.task(model, small_nets.full_masks(model), batches=[]))
    close(found, {"0.weight": small_nets.lamp_by_loops(np.array([values], dtype=np.float64))})


def test_magnitude_and_random() -> None:
    model = small_nets.conv()
    task = small_nets.task(model, small_nets.full_masks(model))
    close(magnitude.scores(task), {name: np.abs(weight.numpy()) for name, weight in live(model).items()})
    generator, found = torch.Generator().manual_seed(0), uniform.scores(task)
    for name in small_nets.names(model):
        assert torch.equal(found[name], torch.rand(found[name].shape, generator=generator))


# What every plug-in promises, also one that is added tomorrow


def quick(pruner: str) -> dict:
    return {"rounds": 3} if "rounds" in plugins.find("pruners", pruner).options else {}


def test_bfloat16_moves_a_mask_less_than_other_batches_of_the_same_images_do(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"arch": "resnet20", "pruner": "snip", "limit_train": 300, "limit_test": 20, "megabatches": 1, "score_fraction": 1.0}
    exact, rounded, other = (RunState.create(RunConfig(**settings, device="cpu", precision=name)) for name in ("fp32", "bf16", "fp32"))
    indices = other.stream.scoring_indices(0)
    monkeypatch.setattr(other.stream, "scoring_indices", lambda _megabatch: torch.cat([indices[::2], indices[1::2]]))
    kept = [select(state, 0, 0.1).masks for state in (exact, rounded, other)]
    assert 1 > overlap(kept[0], kept[1])[0].iou > overlap(kept[0], kept[2])[0].iou + 0.05


@pytest.mark.parametrize("pruner", PRUNERS)
def test_scores_of_zero_everywhere_are_no_error_and_ties_go_by_order(pruner: str) -> None:
    for make in NETS.values():
        model = make()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        cut = select(small_nets.state(model, small_nets.full_masks(model), pruner=pruner, options=quick(pruner)), 0, 0.5)
        assert all(torch.isfinite(score).all() for score in cut.scores.values())
        if pruner != "random":
            flat = torch.cat([mask.view(-1) for mask in cut.masks.values()])
            keep = round(0.5 * len(flat))
            assert flat[:keep].all() and not flat[keep:].any()


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_network_with_nothing_left_can_be_scored(pruner: str) -> None:
    model = small_nets.conv()
    nothing = {name: torch.zeros_like(mask) for name, mask in small_nets.full_masks(model).items()}
    cut = select(small_nets.state(model, nothing, pruner=pruner, options=quick(pruner)), 0, 0.5)
    assert selection.density(cut.masks) == 0.0


def test_a_criterion_does_not_see_dropout() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 3)).double()
    state, rng = small_nets.state(model, small_nets.full_masks(model), pruner="snip"), torch.get_rng_state()
    first, second = (select(state, 0, 0.5) for _ in range(2))
    assert digest(first.scores) == digest(second.scores) and torch.equal(torch.get_rng_state(), rng)


def test_batchnorm_is_scored_in_training_mode_whatever_the_mode_of_the_run() -> None:
    model = small_nets.conv()
    start = small_nets.full_masks(model)
    state, expected = small_nets.state(model.eval(), start, pruner="snip"), snip.scores(small_nets.task(copy.deepcopy(model), start))
    close(select(state, 0, 0.5).scores, expected)
    assert not model.training


def test_the_memory_estimate_knows_what_a_criterion_and_the_images_take() -> None:
    settings = {"arch": "resnet20", "limit_train": 1200, "batch_size": 8, "score_batch_size": 1000, "score_fraction": 1.0}
    found = {
        (pruner, tests): memory_bytes(RunConfig(**{**settings, "limit_test": tests}, megabatches=1, pruner=pruner, device="cpu"))
        for pruner in ("snip", "grasp")
        for tests in (20, 300)
    }
    assert found["grasp", 20] > 1.2 * found["snip", 20]
    assert found["grasp", 300] - found["grasp", 20] < 1e6  # the images alone: scoring is the peak
    small = {**settings, "score_batch_size": 8, "megabatches": 1, "device": "cpu", "val_fraction": 0.05}
    assert memory_bytes(RunConfig(**{**small, "limit_test": 300})) > memory_bytes(RunConfig(**{**small, "limit_test": 20}))
