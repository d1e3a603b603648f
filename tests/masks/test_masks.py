"""Selection by rank on numbers that one can check by eye, allocation of scopes, and alive weights on hand-made networks."""

import math
import random

import pytest
import small_nets
import torch
from torch import nn
from torch.nn import functional

from appcore.errors import InputError
from appcore.masks import selection
from appcore.masks.alive import alive_masks
from appcore.models.base import create


def scores(*values: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor(values)}


def test_keeps_the_highest() -> None:
    assert selection.keep_top(scores(0.1, 0.9, 0.5, 0.7), 0.5)["w"].tolist() == [False, True, False, True]


def test_ties_keep_the_exact_count_and_the_first() -> None:
    assert selection.keep_top(scores(1, 1, 1, 1), 0.5)["w"].tolist() == [True, True, False, False]
    assert selection.keep_top(scores(2, 1, 1, 1), 0.75)["w"].tolist() == [True, True, True, False]
    assert selection.keep_top(scores(0, 0, 0, 0), 0.25)["w"].tolist() == [True, False, False, False]


@pytest.mark.parametrize(("density", "kept"), [(0.0, 0), (1.0, 4), (0.25, 1), (0.3, 1), (0.4, 2)])
def test_count_is_round_of_density_times_n(density: float, kept: int) -> None:
    assert int(selection.keep_top(scores(3, 1, 2, 4), density)["w"].sum()) == kept


def test_ineligible_weights_never_return_even_with_the_highest_scores() -> None:
    eligible = {"w": torch.tensor([False, True, True, True])}
    assert selection.keep_top(scores(9, 1, 2, 3), 0.5, eligible=eligible)["w"].tolist() == [False, False, True, True]
    assert selection.keep_top(scores(9, 1, 2, 3), 1.0, eligible=eligible)["w"].tolist() == [False, True, True, True]


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        selection.keep_top(scores(1, math.nan), 0.5)


def test_global_scope_ranks_over_layers_and_layer_scope_within_them() -> None:
    two = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 4.0])}
    assert {name: mask.tolist() for name, mask in selection.keep_top(two, 0.5).items()} == {"a": [False, False], "b": [True, True]}
    assert {name: mask.tolist() for name, mask in selection.keep_top(two, 0.5, "layer").items()} == {"a": [False, True], "b": [False, True]}


def test_selection_equals_a_stable_sort() -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randint(0, 50, (1000,), generator=generator).float()
    for density in (0.01, 0.366, 0.5, 0.99):
        expected = torch.zeros(1000, dtype=torch.bool)
        expected[values.argsort(descending=True, stable=True)[: round(density * 1000)]] = True
        assert torch.equal(selection.keep_top({"w": values}, density)["w"], expected)


def test_erk_gives_small_layers_more_and_hits_the_total() -> None:
    shapes = {"small": (4, 4, 1, 1), "large": (64, 64, 3, 3)}
    caps = {name: math.prod(shape) for name, shape in shapes.items()}
    kept = selection.quotas(shapes, 5000, "erk", caps)
    assert sum(kept.values()) == 5000
    assert kept["small"] == 16  # sum(shape)/prod(shape) asks for more than the layer has: it stays dense
    assert kept["large"] == 4984


def test_erk_densities_are_proportional_where_nothing_is_full() -> None:
    shapes = {"a": (100, 100), "b": (50, 200)}
    kept = selection.quotas(shapes, 900, "erk", {"a": 10_000, "b": 10_000})
    assert kept == {"a": 400, "b": 500}  # 200 : 250


def test_quotas_hand_out_every_weight_when_all_are_asked_for() -> None:
    shapes = {"a": (3, 3), "b": (5,), "c": (7, 2, 1, 1)}
    caps = {"a": 9, "b": 5, "c": 14}
    for scope in ("layer", "erk"):
        assert selection.quotas(shapes, 28, scope, caps) == caps
        for keep in range(29):
            kept = selection.quotas(shapes, keep, scope, caps)
            assert sum(kept.values()) == keep and all(kept[name] <= caps[name] for name in caps)


def test_quotas_equal_exact_fractions_whatever_the_caps() -> None:
    draw = random.Random(0)
    for _ in range(300):
        shapes = {str(i): tuple(draw.randint(1, 6) for _ in range(draw.choice((2, 4)))) for i in range(draw.randint(1, 6))}
        caps = {name: draw.randint(0, math.prod(shape)) for name, shape in shapes.items()}
        keep = draw.randint(0, sum(math.prod(shape) for shape in shapes.values()))
        for scope, size in (("layer", math.prod), ("erk", sum)):
            expected = small_nets.quotas_by_fractions([size(shape) for shape in shapes.values()], keep, list(caps.values()))
            assert list(selection.quotas(shapes, keep, scope, caps).values()) == expected
            assert sum(expected) == min(keep, sum(caps.values())) and all(got <= cap for got, cap in zip(expected, caps.values()))


@pytest.mark.parametrize("scope", ["global", "layer", "erk"])
def test_densities_that_fall_give_nested_masks_of_the_exact_count(scope: str) -> None:
    model = create("resnet20", (3, 8, 8), 10, 0)
    names, generator = selection.prunable_names(model, "all"), torch.Generator().manual_seed(3)
    kept = selection.full_masks(model, names)
    total = sum(mask.numel() for mask in kept.values())
    for density in (0.9, 0.71, 0.7, 0.333, 0.05, 0.001, 0.0):
        scores = {name: torch.randint(0, 9, mask.shape, generator=generator).double() for name, mask in kept.items()}
        after = selection.keep_top(scores, density, scope, eligible=kept)
        assert sum(selection.count(after).values()) == round(density * total) == selection.keep_count(kept, density)
        assert all(not (after[name] & ~mask).any() for name, mask in kept.items())
        kept = after


def test_scores_are_ranked_at_their_own_precision() -> None:
    close_together = torch.tensor([1.0, 1.0 + 1e-12, 1e300], dtype=torch.float64)
    assert selection.keep_top({"w": close_together}, 2 / 3)["w"].tolist() == [False, True, True]
    assert selection.keep_top({"w": torch.tensor([1.0, 3.0, 2.0], dtype=torch.bfloat16)}, 1 / 3)["w"].tolist() == [False, True, False]


def test_selection_does_not_depend_on_the_memory_format() -> None:
    scores = torch.randint(0, 5, (8, 4, 3, 3), generator=torch.Generator().manual_seed(0)).float()
    last = scores.contiguous(memory_format=torch.channels_last)
    everything = {"w": torch.ones_like(last, dtype=torch.bool)}
    for scope in ("global", "layer"):
        first = selection.keep_top({"w": scores}, 0.4, scope)["w"]
        assert torch.equal(selection.keep_top({"w": last}, 0.4, scope, eligible=everything)["w"], first)


def test_infinite_scores_are_refused_too() -> None:
    for value in (math.inf, -math.inf):
        with pytest.raises(ValueError, match="w are not finite"):
            selection.keep_top(scores(1, value), 0.5)


def test_prunable_layers() -> None:
    model = create("lenet5", (1, 28, 28), 10, 0)
    conv, hidden, everything = (selection.prunable_names(model, which) for which in ("conv", "hidden", "all"))
    assert len(conv) == 2 and len(hidden) == len(everything) - 1 and selection.prunable_names(model, "auto") == conv
    mlp = create("mlp", (1, 8, 8), 10, 0)
    assert len(selection.prunable_names(mlp, "auto")) == 3
    with pytest.raises(InputError, match="choose auto or all"):
        selection.prunable_names(mlp, "conv")


@pytest.mark.thorough
def test_exempt_layers_by_name_and_pattern() -> None:
    model = create("resnet20", (3, 32, 32), 10, 0)
    everything = selection.prunable_names(model, "all")
    assert selection.prunable_names(model, "all", ("conv1", "fc.weight")) == [
        n for n in everything if n not in ("conv1.weight", "fc.weight")
    ]
    assert selection.prunable_names(model, "all", ["layer?.*"]) == ["conv1.weight", "fc.weight"]
    assert selection.prunable_names(model, "auto", ["fc"]) == selection.prunable_names(model, "conv")  # a layer that is not pruned anyway
    assert selection.prunable_names(nn.Linear(2, 2)) == ["weight"]


@pytest.mark.parametrize(
    ("exempt", "words"),
    [
        (("conv9",), "'conv9' matches no convolution or linear layer"),
        (("conv1", "bn1"), "'bn1' matches no"),
        (("layer1",), r"a pattern such as layer1\.\*"),
        (("*",), "spares every layer that prunable=conv would prune"),
        (("conv1", "layer*"), "exempt fewer"),
    ],
)
def test_exemptions_that_make_no_sense_are_refused(exempt: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        selection.prunable_names(create("resnet20", (3, 32, 32), 10, 0), "conv", exempt)
    assert refused.value.field == "exempt" and "\n" not in refused.value.message and len(refused.value.message) < 400


def test_apply_zeroes_exactly_even_a_nan() -> None:
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[math.nan, 2.0]]))
    selection.apply(model, {"weight": torch.tensor([[False, True]])})
    assert model.weight.tolist() == [[0.0, 2.0]]
    assert selection.effective_density(model, ["weight"]) == 0.5


def test_alive_follows_paths_through_an_mlp() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    kept = {"1.weight": torch.tensor([[True, False], [False, False]]), "3.weight": torch.tensor([[False, True]])}
    alive = alive_masks(model, kept, (1, 1, 2))
    assert not alive["1.weight"].any()  # hidden unit 0 has an input, but nothing reads it
    assert not alive["3.weight"].any()  # hidden unit 1 is read, but nothing feeds it
    kept["3.weight"][0, 0] = True
    alive = alive_masks(model, kept, (1, 1, 2))
    assert alive["1.weight"].tolist() == [[True, False], [False, False]] and alive["3.weight"].tolist() == [[True, False]]


def test_alive_of_a_dense_resnet_is_everything_and_leaves_the_network_alone() -> None:
    model = create("resnet20", (3, 32, 32), 10, 0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = selection.full_masks(model, selection.prunable_names(model))
    assert selection.count(alive_masks(model, kept, (3, 32, 32))) == selection.count(kept)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


class Gated(nn.Module):
    """Normalised, pooled by a function, then gated by a second layer."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.main, self.gate = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        x = functional.max_pool2d(self.norm(x), (2, 1))[:, 0, 0]
        return self.main(x) * torch.sigmoid(self.gate(x))


def test_alive_goes_through_norms_gates_and_pooling_functions() -> None:
    model = Gated()
    kept = {"main.weight": torch.ones(2, 4, dtype=torch.bool), "gate.weight": torch.ones(2, 4, dtype=torch.bool)}
    alive = alive_masks(model, kept, (1, 2, 4))
    assert all(torch.equal(alive[name], mask) for name, mask in kept.items())
    kept["main.weight"][0] = False  # the gate of a signal that is not there does nothing; a shut gate lets half through
    kept["gate.weight"][1] = False
    alive = alive_masks(model, kept, (1, 2, 4))
    assert not alive["gate.weight"].any() and torch.equal(alive["main.weight"], kept["main.weight"])


def test_a_layer_that_is_fed_by_constants_counts_as_alive() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.Linear(2, 1))
    kept = {"1.weight": torch.eye(2, dtype=torch.bool), "2.weight": torch.tensor([[True, False]])}
    model[1].sees_no_image = True
    assert torch.equal(alive_masks(model, kept, (1, 1, 2))["1.weight"], kept["1.weight"])


def test_auto_takes_every_layer_of_a_network_with_one_convolution() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    assert selection.prunable_names(model) == ["0.weight", "2.weight"] == selection.prunable_names(model, "all")
    assert selection.prunable_names(nn.Sequential(nn.Conv2d(1, 2, 3))) == ["0.weight"] == selection.prunable_names(model, "conv")


def test_a_layer_without_weights_kills_what_only_it_feeds() -> None:
    model = create("vgg11_bn", (3, 32, 32), 10, 0)
    kept = selection.full_masks(model, selection.prunable_names(model))
    names = list(kept)
    kept[names[3]].zero_()
    assert sum(selection.count(alive_masks(model, kept, (3, 32, 32))).values()) == 0  # no shortcut: nothing passes


def test_a_residual_shortcut_keeps_the_rest_alive() -> None:
    model = create("resnet20", (3, 32, 32), 10, 0)
    kept = selection.full_masks(model, selection.prunable_names(model))
    first, second = list(kept)[1:3]
    kept[first].zero_()
    alive = selection.count(alive_masks(model, kept, (3, 32, 32)))
    assert alive[second] == 0 and alive[list(kept)[3]] == kept[list(kept)[3]].numel()
