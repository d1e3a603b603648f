"""shrink: the same answers from fewer channels, for networks of many kinds, or a refusal that says why."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune as torch_prune

import appcore
from appcore import InputError, plugins


def settled(network: nn.Module) -> nn.Module:
    """The network with norms as training leaves them: shifts of both signs, so that a removed filter's channel is not zero."""
    lots = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.copy_(torch.randn(module.num_features, generator=lots) * 0.1)
                module.running_var.copy_(torch.rand(module.num_features, generator=lots) + 0.5)
                module.weight.copy_(torch.rand(module.num_features, generator=lots) + 0.5)
                module.bias.copy_(torch.randn(module.num_features, generator=lots) * 0.3)
    return network.eval()


def images(side: int = 32, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return settled(plugins.load("models", name).build(name, (3, 32, 32), 10))


def differ(one: nn.Module, other: nn.Module, x: Tensor) -> float:
    """The largest difference of outputs, in parts of the largest one; both in float64, so that nothing hides in rounding."""
    a, b = (copy.deepcopy(network).double()(x.double()).detach() for network in (one, other))
    return float((a - b).abs().max() / a.abs().max())


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("resnet20", 0.55),
        ("resnet18", 0.5),
        ("vgg11_bn", 0.35),
        pytest.param("resnet50", 0.5, marks=pytest.mark.slow),
        pytest.param("torchvision:mobilenet_v2", 0.5, marks=pytest.mark.slow),
        pytest.param("torchvision:densenet121", 0.6, marks=pytest.mark.slow),
        pytest.param("torchvision:efficientnet_b0", 0.6, marks=pytest.mark.slow),
    ],
)
def test_networks_of_the_house(name: str, share: float) -> None:
    network, x = made(name), images()
    appcore.prune(network, density=0.5, granularity="filter", scope="layer")
    before = copy.deepcopy(network.state_dict())
    small = appcore.shrink(network, x)
    assert parameters(small) < share * parameters(network)
    assert differ(network, small, images(32) * 3) < 1e-5
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in before.items())
    appcore.prune(small, density=0.9, granularity="filter")  # it is a network like any other
    small(x)


class Small(nn.Module):
    """Two convolutions with a norm between them; the second is padded or not."""

    def __init__(self, padding: int, act: Any = functional.relu):
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.two, self.out, self.act = nn.Conv2d(8, 6, 3, padding=padding, bias=False), nn.Linear(6, 4), act

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(self.act(self.norm(self.one(x))))
        return self.out(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


def without(network: Any, filters: list[int]) -> Any:
    with torch.no_grad():
        network.one.weight[filters] = 0
    return network


def test_constants_go_into_the_bias_without_padding_and_into_one_channel_with_it() -> None:
    for padding, left in ((0, 4), (1, 5)):
        network = without(settled(Small(padding, act=functional.silu)), [1, 3, 4, 6])
        small: Any = appcore.shrink(network, images(8))
        assert (small.one.out_channels, small.norm.num_features, small.two.in_channels) == (left, left, left)
        assert (small.two.bias is None) == bool(padding)
        assert differ(network, small, images(8)) < 1e-6


def test_a_filter_that_nobody_reads_goes_though_it_is_not_pruned() -> None:
    network: Any = settled(Small(1))
    with torch.no_grad():
        network.two.weight[:, [0, 5]] = 0
    small: Any = appcore.shrink(network, images(8))
    assert small.one.out_channels == 6
    assert differ(network, small, images(8)) < 1e-6


def test_no_tensor_becomes_empty() -> None:
    network: Any = without(settled(Small(1)), list(range(8)))
    small: Any = appcore.shrink(network, images(8))
    assert small.one.out_channels == 1
    assert differ(network, small, images(8)) < 1e-6


class Odd(Small):
    """Counts on its channels in an operation that mixes them."""

    def forward(self, x: Tensor) -> Tensor:
        x = functional.softmax(self.norm(self.one(x)), dim=1)
        return self.out(self.two(x).mean((2, 3)))


class Choosy(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if float(x.sum()) > 0 else -x)


def test_what_cannot_be_is_refused_with_the_reason() -> None:
    x = images(8)
    with pytest.raises(InputError, match="prune whole filters"):
        appcore.shrink(settled(Small(1)), x)
    network = settled(Small(1))
    appcore.prune(network, density=0.3)
    with pytest.raises(InputError, match="prune whole filters"):
        appcore.shrink(network, x)
    with pytest.raises(InputError, match="cannot be followed"):
        appcore.shrink(without(settled(Choosy(1)), [0]), x)
    network = without(settled(Odd(1)), [0, 1])
    with pytest.raises(InputError, match="no channel can be removed"):
        appcore.shrink(network, x)
    network = Small(1)
    torch_prune.ln_structured(network.one, "weight", amount=0.5, n=1, dim=0)
    with pytest.raises(InputError, match="make that permanent"):
        appcore.shrink(network, x)
