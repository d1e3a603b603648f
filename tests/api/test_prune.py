"""prune and what_if of any network, against torch.nn.utils.prune and formulas written out."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune as torch_prune

import appcore
from appcore import InputError, plugins


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(128, 4)
    )


def images(count: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, 8, 8, generator=generator), torch.randint(0, 4, (count,), generator=generator)


def layers(model: nn.Module) -> list[tuple[nn.Module, str]]:
    return [(module, "weight") for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


def kept(masks: dict[str, Tensor]) -> int:
    return sum(int(mask.sum()) for mask in masks.values())


@pytest.mark.parametrize("density", [0.5, 0.1, 0.013])
def test_magnitude_is_what_torch_prunes(density: float) -> None:
    ours, theirs = network(), network()
    masks = appcore.prune(ours, density=density, prunable="all")
    total = sum(module.weight.numel() for module, _ in layers(theirs))
    torch_prune.global_unstructured(layers(theirs), torch_prune.L1Unstructured, amount=total - round(density * total))
    for (a, _), (b, _) in zip(layers(ours), layers(theirs), strict=True):
        assert torch.equal(a.weight, b.weight)
    assert kept(masks) == round(density * total)


def test_snip_is_weight_times_gradient_over_all_batches() -> None:
    model, batches = network(), [images(), (images()[0].flip(0), images()[1].flip(0))]
    masks = appcore.prune(copy.deepcopy(model), batches, pruner="snip", density=0.2, prunable="all")
    by_hand = copy.deepcopy(model)
    by_hand[6].p = 0.0  # dropout is off while weights are scored
    for x, y in batches:
        cross_entropy(by_hand(x), y).backward()
    scores = torch.cat([(module.weight * module.weight.grad).abs().reshape(-1) for module, _ in layers(by_hand)])
    chosen = torch.cat([mask.reshape(-1) for mask in masks.values()])
    assert scores[chosen].min() >= scores[~chosen].max()


@pytest.mark.parametrize("pruner", list(plugins.choices("pruners")))
def test_every_criterion_prunes_exactly_and_changes_nothing_else(pruner: str) -> None:
    model, before = network(), network()
    masks = appcore.prune(model, images(), pruner=pruner, density=0.1, prunable="all")
    assert kept(masks) == round(0.1 * sum(mask.numel() for mask in masks.values()))
    for name, tensor in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor * masks[name] if name in masks else tensor), name
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_what_is_pruned_stays_pruned() -> None:
    model = network()
    first = appcore.prune(model, density=0.5)
    second = appcore.prune(model, images(), pruner="snip", density=0.2, masks=first)
    assert all(not bool((second[name] & ~mask).any()) for name, mask in first.items())


def test_masks_go_into_torch_prune() -> None:
    model = network()
    for name, mask in appcore.prune(model, density=0.3).items():
        torch_prune.custom_from_mask(model.get_submodule(name.removesuffix(".weight")), "weight", mask)
    assert torch_prune.is_pruned(model)


def test_what_if_counts_what_prune_keeps() -> None:
    model = network()
    found = appcore.what_if(model, images(), pruner="snip", densities=[0.5, 0.05])
    for density, rows in found.groupby("density"):
        masks = appcore.prune(copy.deepcopy(model), images(), pruner="snip", density=density)
        assert rows["kept"].tolist() == [int(mask.sum()) for mask in masks.values()]
        assert (rows["alive"] <= rows["kept"]).all()
    assert appcore.what_if(model, densities=[0.5])["alive"].isna().all()
    each = appcore.what_if(model, densities=[{"0": 0.5}, 0.25])
    assert each["density"].tolist() == [0.5, 1.0, 0.25, 0.25] and each["kept"].tolist()[:2] == [108, 576]
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), network().state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "vit_b_32", "googlenet"])
@pytest.mark.slow
def test_torchvision_networks(name: str) -> None:
    size = 224 if name.startswith("vit") else 64
    model = torchvision.models.get_model(name, weights=None, num_classes=5)
    batch = (torch.randn(4, 3, size, size), torch.randint(0, 5, (4,)))
    masks = appcore.prune(model, batch, pruner="snip", density=0.1)
    assert kept(masks) == round(0.1 * sum(mask.numel() for mask in masks.values()))


@pytest.mark.parametrize(
    "asked, says",
    [
        ({"pruner": "snip"}, "images: this criterion needs some"),
        ({"pruner": "synflow"}, "images: this criterion needs some"),
        ({"images": []}, "there is no batch"),
        ({"images": [images()[0]]}, "a batch is a pair"),
        ({"images": (images()[0].long(), images()[1])}, "x is torch.int64"),
        ({"density": 1.5}, "density: 1.5"),
        ({"pruner": "nothing"}, "unknown name 'nothing'"),
        ({"options": {"rounds": 3}}, "options"),
        ({"exempt": ["layer9"]}, "exempt"),
        ({"masks": {"9.weight": torch.ones(1, dtype=torch.bool)}}, "no weight that may be pruned"),
        ({"masks": {"0.weight": torch.ones(1, dtype=torch.bool)}}, "it must be bool"),
    ],
)
def test_what_a_caller_can_mend_is_said(asked: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        appcore.prune(network(), **{"density": 0.1, **asked})


def test_scores_that_are_not_finite_are_named() -> None:
    model = network()
    with torch.no_grad():
        model[0].weight[0] = float("nan")
    with pytest.raises(InputError, match=r"0\.weight are not finite"):
        appcore.prune(model, density=0.1)
