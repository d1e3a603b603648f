"""A prune point as a whole: masks equal to a float64 reference with its own ladder and sorting, exact counts, regrowth, collapse."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import small_nets
import torch
from torch import Tensor, nn
from torch.autograd.functional import hvp
from torch.nn.functional import cross_entropy

from appcore import RunConfig, plugins, seeds
from appcore.checks import sanity
from appcore.engine import prune_point
from appcore.engine.digests import digest
from appcore.engine.prune_point import prune, select, walk
from appcore.engine.state import RunState
from appcore.masks import facts, selection
from appcore.pruners.base import exponential

PRUNERS = sorted(plugins.choices("pruners"))
ITERATIVE = ["force", "iterative-snip", "synflow"]
SCOPES = ["global", "layer", "erk"]
ROUNDS = 4
Arrays = list[np.ndarray]


def options(pruner: str, rounds: int = ROUNDS) -> dict:
    return {"rounds": rounds} if pruner in ITERATIVE else {}


# A reference on the mlp, for every criterion


def reference_scores(pruner: str, model: nn.Module, originals: Arrays, kept: Arrays, rung: int) -> Arrays:
    """Scores at the masked network, by formula and without the code under test."""
    names, weights = small_nets.names(model), [weight * mask for weight, mask in zip(originals, kept, strict=True)]
    data = small_nets.batches(model)
    if pruner == "random":
        generator = seeds.generator(0, "pruner", 0)
        return [torch.rand(weight.shape, generator=generator).numpy() for weight in weights]
    if pruner == "magnitude":
        return [np.abs(weight) for weight in weights]
    if pruner == "lamp":
        return [small_nets.lamp_by_loops(weight) for weight in weights]
    if pruner == "synflow":
        return synflow_by_products(model, weights)
    if pruner == "grasp":
        return grasp_by_hvp(model, weights, kept)
    if pruner not in ("snip", "taylor", "force", "iterative-snip"):
        pytest.skip(f"no formula of {pruner} here; add one before the pruner is kept")
    if pruner in ("force", "iterative-snip"):
        data = data[rung % len(data) : rung % len(data) + 1]
    gradients = small_nets.mlp_gradients(model, dict(zip(names, weights, strict=True)), data)
    factor = originals if pruner == "force" else weights
    return [np.abs(w * gradients[name]) for w, name in zip(factor, names, strict=True)]


def synflow_by_products(model: nn.Module, weights: Arrays) -> Arrays:
    """abs(w) times what flows in times what its unit passes on to the outputs."""
    biases = [model.get_parameter(name.replace("weight", "bias")).detach().abs().numpy() for name in small_nets.names(model)]
    into, out = [np.ones(weights[0].shape[1])], [np.ones(weights[-1].shape[0])]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        into.append(np.abs(weight) @ into[-1] + bias)
    for weight in reversed(weights[1:]):
        out.insert(0, out[0] @ np.abs(weight))
    return [np.abs(weight) * np.outer(after, before) for weight, before, after in zip(weights, into, out, strict=True)]


def grasp_by_hvp(model: nn.Module, weights: Arrays, kept: Arrays) -> Arrays:
    pieces = small_nets.first_of_each_class(small_nets.batches(model), 10)
    values = tuple(torch.from_numpy(weight).requires_grad_() for weight in weights)

    def loss(*values: Tensor) -> Tensor:
        return sum(cross_entropy(small_nets.mlp_forward(model, values, x) / 200, y) for x, y in pieces)

    flow = torch.autograd.grad(loss(*values), values)
    product = hvp(loss, values, tuple(g * torch.from_numpy(mask) for g, mask in zip(flow, kept, strict=True)))[1]
    return [(value * found).detach().numpy() for value, found in zip(values, product, strict=True)]


def reference_masks(pruner: str, model: nn.Module, kept: Arrays, density: float, scope: str) -> tuple[list[Arrays], Arrays]:
    """Masks after each rung, and the last scores: the ladder of the paper walked with sorted lists."""
    originals = [model.get_parameter(name).detach().numpy().copy() for name in small_nets.names(model)]
    total, start = sum(mask.size for mask in kept), sum(int(mask.sum()) for mask in kept) / sum(mask.size for mask in kept)
    rungs = [density]
    if pruner in ITERATIVE:
        # As FORCE has it: k_t = exp(a log k + (1 - a) log m), a = t / T.
        rungs = [math.exp(t / ROUNDS * math.log(density) + (1 - t / ROUNDS) * math.log(start)) for t in range(1, ROUNDS)] + [density]
    found, pool, current = [], kept, kept
    for rung, target in enumerate(rungs):
        scores, keep = reference_scores(pruner, model, originals, current, rung), round(target * total)
        quotas = None
        if scope != "global":
            size = (lambda part: part.size) if scope == "layer" else (lambda part: sum(part.shape))
            quotas = small_nets.quotas_by_fractions([size(part) for part in scores], keep, [int(part.sum()) for part in pool])
        current = small_nets.kept_by_sorting(scores, keep, pool, quotas)
        pool = kept if pruner == "force" else current
        found.append(current)
    return found, scores


@pytest.mark.parametrize("density", [0.5, 0.2])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("pruner", PRUNERS)
def test_masks_equal_the_reference(pruner: str, scope: str, density: float) -> None:
    for make_masks in (small_nets.full_masks, small_nets.some_masks):
        model = small_nets.mlp()
        start = make_masks(model)
        state = small_nets.state(model, start, pruner=pruner, scope=scope, options=options(pruner))
        found = select(state, 0, density)
        expected, scores = reference_masks(pruner, model, [mask.numpy() for mask in start.values()], density, scope)
        for name, mask, score in zip(start, expected[-1], scores, strict=True):
            np.testing.assert_allclose(found.scores[name].numpy(), score, rtol=1e-8, atol=1e-14)
            assert (found.masks[name].numpy() == mask).all()


def test_equal_scores_keep_the_first_by_any_scope() -> None:
    for scope in SCOPES:
        model = small_nets.mlp()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.5)
        for pruner in ("magnitude", "lamp"):
            start = small_nets.some_masks(model)
            found = select(small_nets.state(copy.deepcopy(model), start, pruner=pruner, scope=scope), 0, 0.4)
            expected, _ = reference_masks(pruner, small_nets.cut(model, start), [m.numpy() for m in start.values()], 0.4, scope)
            assert all((found.masks[name].numpy() == mask).all() for name, mask in zip(start, expected[-1], strict=True))


# Ladders


def test_weights_return_within_a_prune_point_of_force_and_never_from_an_earlier_one() -> None:
    def returned(pruner: str, density: float) -> int:
        model = small_nets.mlp()
        start = small_nets.some_masks(model, 0.8)
        rungs, _ = reference_masks(pruner, small_nets.cut(model, start), [mask.numpy() for mask in start.values()], density, "global")
        found = select(small_nets.state(model, start, pruner=pruner, options=options(pruner)), 0, density)
        assert all((found.masks[name].numpy() == mask).all() for name, mask in zip(start, rungs[-1], strict=True))
        assert all(not (found.masks[name] & ~mask).any() for name, mask in start.items())
        return sum(int((after & ~before).sum()) for one, next_ in pairwise(rungs) for before, after in zip(one, next_))

    assert sum(returned("force", density) for density in (0.4, 0.3, 0.2)) > 0
    assert sum(returned("iterative-snip", density) for density in (0.4, 0.3, 0.2)) == 0


def test_an_exponential_ladder_takes_the_same_share_each_time() -> None:
    ladder = exponential(0.8, 0.1, 3)
    assert ladder == pytest.approx([0.4, 0.2, 0.1]) and ladder[-1] == 0.1
    assert exponential(1.0, 0.25, 1) == [0.25] and exponential(0.5, 0.5, 100) == [0.5] and exponential(0.3, 0.5, 9) == [0.5]
    assert exponential(1.0, 0.0, 3) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("pruner", ITERATIVE)
def test_one_round_is_one_shot(pruner: str) -> None:
    model = small_nets.mlp()
    state = small_nets.state(model, small_nets.full_masks(model), pruner=pruner, options={"rounds": 1})
    assert list(walk(state, 0, 0.3)) == [(1, 1)]
    state.config = state.config.model_copy(update={"options": {"rounds": 5}})
    assert list(walk(state, 0, 0.3)) == [(rung, 5) for rung in range(1, 6)]


def test_choosing_leaves_the_state_alone_and_pruning_does_not() -> None:
    config = RunConfig(arch="mlp", pruner="force", options={"rounds": 3}, limit_train=100, limit_test=20, device="cpu")
    state = RunState.create(config)
    state.set_momentum({name: torch.ones_like(parameter) for name, parameter in state.model.named_parameters()})
    before = digest(state.snapshot()[0])
    cut = select(state, 0, 0.3)
    assert digest(state.snapshot()[0]) == before
    prune(state, 0, 0.3)
    assert digest(state.masks) == digest(cut.masks) and state.density_requested == 0.3 and state.best is None
    for name, mask in state.masks.items():
        assert (state.model.get_parameter(name)[~mask] == 0).all()
        assert (state.momentum()[name][~mask] == 0).all() and (state.momentum()[name][mask] == 1).all()


def test_a_cut_remembers_the_masks_of_before_and_what_could_be_chosen() -> None:
    state = RunState.create(RunConfig(arch="mlp", pruner="magnitude", limit_train=100, limit_test=20, device="cpu"))
    prune(state, 0, 0.5)
    first = {name: mask.clone() for name, mask in state.masks.items()}
    cut = prune(state, 1, 0.3)
    assert digest(cut.before) == digest(first) == digest(cut.eligible) and digest(cut.masks) == digest(state.masks)


def test_inverted_scores_keep_what_would_go_first() -> None:
    model = small_nets.conv()
    start = small_nets.full_masks(model)
    state = small_nets.state(model, start, pruner="magnitude")
    lowest = select(state, 0, 0.3, change=sanity.inverted).masks
    highest = select(state, 0, 0.7).masks
    assert all(torch.equal(lowest[name], ~highest[name]) for name in start)


# Whole runs of prune points


@pytest.mark.thorough
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("pruner", PRUNERS)
def test_every_prune_point_is_exact_and_nested(pruner: str, scope: str) -> None:
    config = RunConfig(
        arch="mlp", pruner=pruner, scope=scope, options=options(pruner), limit_train=60, limit_test=20, megabatches=3, device="cpu"
    )
    state = RunState.create(config)
    total = sum(mask.numel() for mask in state.masks.values())
    for megabatch, density in enumerate((0.7, 0.31, 0.05)):
        before = {name: mask.clone() for name, mask in state.masks.items()}
        prune(state, megabatch, density)
        assert sum(selection.count(state.masks).values()) == round(density * total)
        assert all(not (mask & ~before[name]).any() for name, mask in state.masks.items())
        if scope == "layer":
            assert all(abs(int(mask.count_nonzero()) - density * mask.numel()) < 1 for mask in state.masks.values())


@pytest.mark.parametrize("pruner", PRUNERS)
def test_released_code_multiplies_masks_whatever_the_criterion(pruner: str) -> None:
    config = RunConfig(
        arch="mlp", pruner=pruner, semantics="released-code", options=options(pruner), limit_train=60, limit_test=20, megabatches=3
    )
    state, chosen = RunState.create(config), []
    total = sum(mask.numel() for mask in state.masks.values())
    for megabatch in range(2):
        before = {name: mask.clone() for name, mask in state.masks.items()}
        cut = prune(state, megabatch, 0.6)
        chosen.append(sum(selection.count(state.masks).values()))
        assert digest(state.masks) == digest(cut.masks) and all(not (mask & ~before[name]).any() for name, mask in state.masks.items())
    assert chosen[0] == round(0.6 * total) and chosen[1] <= chosen[0]
    if pruner in ("random", "magnitude", "lamp", "snip"):  # a pruned weight has a score as good as any, and keeps others out
        assert chosen[1] < 0.5 * total


def test_released_code_ranks_over_all_weights_on_its_last_rung() -> None:
    model = small_nets.mlp()
    start = small_nets.some_masks(model)
    state = small_nets.state(model, start, pruner="magnitude", semantics="released-code")
    cut = select(state, 0, 0.5)
    assert all(mask.all() for mask in cut.eligible.values())
    alone = selection.keep_top(cut.scores, 0.5)
    assert all(torch.equal(cut.masks[name], alone[name] & mask) for name, mask in start.items())


def test_one_shot_synflow_collapses_where_a_hundred_rounds_do_not() -> None:
    """The paper's point, at 100 times compression: fc1 and fc2 vanish in one shot, no layer does in a hundred."""

    def cut(rounds: int):
        config = RunConfig(arch="mlp", pruner="synflow", options={"rounds": rounds}, limit_train=60, limit_test=20, device="cpu")
        return select(RunState.create(config), 0, 0.01)

    once, iterated = cut(1), cut(100)
    assert facts.collapsed_layers(once.masks) == ["fc1.weight", "fc2.weight"]
    assert facts.collapsed_layers(iterated.masks) == []
    assert selection.density(once.masks) == selection.density(iterated.masks) == pytest.approx(0.01, abs=1e-4)
    critical = facts.critical_density(once.scores, "global", once.eligible)
    assert critical is not None and critical.layer == "fc2.weight" and critical.density > 0.01


# The published code


@pytest.mark.parametrize("init", ["kaiming-fan-out", "kaiming-fan-in", "torch"])
def test_the_released_code_scores_weights_drawn_as_torch_draws_a_new_layer(init: str) -> None:
    """Whatever the network began with: uniform in +-1 / sqrt(fan_in), kaiming_uniform with a = sqrt(5); everything else stays."""
    state = RunState.create(RunConfig(arch="resnet20", semantics="released-code", init=init, limit_train=100, limit_test=10, device="cpu"))
    drawn = prune_point._redrawn(state, 1)
    for name, parameter in state.model.named_parameters():
        new = drawn.get_parameter(name)
        if name not in state.masks:
            assert torch.equal(new, parameter)
            continue
        bound = 1 / math.sqrt(parameter[0].numel())
        torchs = nn.init.kaiming_uniform_(torch.empty(new.shape), a=math.sqrt(5), generator=seeds.generator(0, "released-code/1", name))
        assert new.abs().max() <= bound * (1 + 1e-6) and torch.equal(new, torchs)
        assert new.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_scores_in_evaluation_mode_are_those_of_running_statistics() -> None:
    state = RunState.create(RunConfig(arch="resnet20", limit_train=200, limit_test=10, device="cpu", precision="fp32"))
    batch, running = (select(state, 0, 0.5, in_evaluation=flag) for flag in (False, True))
    network = copy.deepcopy(state.model).eval()
    for x, y in state.stream.scoring_batches(0):
        cross_entropy(network(x), y).backward()
    for name, score in running.scores.items():
        weight = network.get_parameter(name)
        torch.testing.assert_close(score, (weight * weight.grad).abs().detach(), rtol=1e-4, atol=1e-8)
        assert not torch.allclose(score, batch.scores[name], rtol=1e-2)
    assert all(module.num_batches_tracked == 0 for module in state.model.modules() if isinstance(module, nn.BatchNorm2d))


# Masks that hinge on rounding


@pytest.mark.parametrize(
    ("values", "is_so"),
    [
        ({"pruner": "force"}, True),
        ({"pruner": "iterative-snip", "options": {"rounds": 2}}, True),
        ({"pruner": "force", "options": {"rounds": 1}}, False),
        ({"pruner": "force", "method": "dense"}, False),
        ({"pruner": "synflow"}, False),
        ({"pruner": "snip"}, False),
    ],
)
def test_which_masks_are_chaotic(values: dict, is_so: bool) -> None:
    assert plugins.is_chaotic(RunConfig(**values).model_dump(mode="json")) == is_so
