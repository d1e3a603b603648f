"""Folded BatchNorm: the same outputs, zeros where weights are pruned, and networks that it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from appcore.engine.folding import Folded, pairs
from appcore.models import base as models


def trained(arch: str, shape: tuple[int, int, int] = (3, 32, 32)) -> nn.Module:
    """A network whose BatchNorms have seen images and whose values are nobody's start."""
    model = models.create(arch, shape, 10, seed=0).train()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for _ in range(3):
            model(torch.randn(16, *shape))
    return model


@pytest.mark.thorough
@pytest.mark.parametrize(("arch", "count"), [("resnet20", 19), ("torchvision:vgg11_bn", 8), ("torchvision:mobilenet_v2", 52)])
def test_outputs_are_the_same_but_for_rounding(arch: str, count: int) -> None:
    model = trained(arch)
    folded = Folded(model)
    assert len(pairs(model)) == count
    x = torch.randn(8, 3, 32, 32)
    for _ in range(2):
        with torch.no_grad():
            there, here = folded.refresh()(x), model.eval()(x)
        assert torch.allclose(there, here, rtol=1e-3, atol=1e-4 * float(here.abs().max()))
        with torch.no_grad():
            for parameter in model.parameters():  # the next round: values of now, not of before
                parameter.mul_(1.1)


def test_a_pruned_weight_stays_zero() -> None:
    model = trained("resnet20")
    with torch.no_grad():
        model.conv1.weight[::2] = 0
    assert not Folded(model).refresh().conv1.weight[::2].any()


@pytest.mark.thorough
@pytest.mark.parametrize("arch", ["mlp", "lenet5", "torchvision:vit_b_16"])
def test_networks_without_such_pairs_are_evaluated_themselves(arch: str) -> None:
    model = models.skeleton(arch, (3, 32, 32) if "vit" not in arch else (3, 224, 224), 10)
    assert Folded(model).refresh() is model and not model.training


class Odd(nn.Module):
    """What must not be folded: an output that is read twice, a norm that is used twice, statistics of the batch, a branch on values."""

    def __init__(self, branches: bool = False):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.one, self.two, self.three = nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False)
        self.branches = branches

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.branches and x.sum() > 0:
            return x
        a = self.a(x)
        x = a + self.one(a)
        x = self.two(self.two(self.b(x)))
        return self.three(self.c(x))


def test_only_what_goes_to_one_norm_alone_is_folded() -> None:
    assert pairs(Odd()) == [] and pairs(Odd(branches=True)) == []
