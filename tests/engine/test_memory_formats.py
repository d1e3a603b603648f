"""Memory formats: which convolutions are laid out plainly, and that it changes speed alone."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from appcore.engine import flops, memory_formats
from appcore.masks import selection
from appcore.masks.alive import alive_masks
from appcore.models import base

CPU = torch.device("cpu")
SHAPE = (3, 32, 32)


@pytest.fixture(autouse=True)
def without_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU without AMX, wherever the tests run."""
    monkeypatch.setattr(memory_formats, "has_bf16_tiles", lambda: False)


def network(arch: str, dtype: torch.dtype = torch.bfloat16) -> nn.Module:
    return memory_formats.arrange(base.create(arch, SHAPE, 10, seed=0), flops.count(arch, SHAPE, 10), dtype, CPU)


def plain(model: nn.Module) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.dim() == 4 and parameter.is_contiguous()]


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("resnet18", ["layer4.0.conv2.weight", "layer4.1.conv1.weight", "layer4.1.conv2.weight"]),
        ("resnet20", []),  # 64 channels at most
        ("mlp", []),
    ],
)
def test_plain_are_deep_convolutions_on_few_pixels_in_bf16_alone(arch: str, expected: list[str]) -> None:
    def kernels(model: nn.Module) -> list[str]:
        return [name for name in plain(model) if model.get_parameter(name).shape[-1] > 1]

    assert kernels(network(arch)) == expected
    assert kernels(network(arch, torch.float32)) == []


def test_on_cpus_with_tiles_everything_is_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_formats, "has_bf16_tiles", lambda: True)
    assert not any(name.startswith("layer4.1.conv") for name in plain(network("resnet18")))


def gradients(model: nn.Module, x: torch.Tensor, y: torch.Tensor, is_rounded: bool) -> list[torch.Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=is_rounded):
        loss = cross_entropy(model(x), y)
    return list(torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.thorough
def test_gradients_are_as_near_to_float64_as_those_of_channels_last() -> None:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(16, *SHAPE, generator=draw).to(memory_format=torch.channels_last), torch.arange(16) % 10
    exact = gradients(base.create("vgg11_bn", SHAPE, 10, seed=0).double(), x.double(), y, False)

    def distance(model: nn.Module) -> float:
        found = gradients(model, x, y, True)
        return max(float((a - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True) if b.norm() > 1e-6)

    arranged, usual = distance(network("vgg11_bn")), distance(network("vgg11_bn", torch.float32))
    assert 0 < arranged < 1.5 * usual


def test_what_goes_in_and_comes_out_is_channels_last_gradients_too() -> None:
    """A neighbour that reads two formats at once costs more than the convolution gains."""
    conv = network("vgg11_bn").get_submodule("features.18")
    assert isinstance(conv, nn.Conv2d) and conv.in_channels == 512
    x = torch.randn(4, 512, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = conv(x)
    assert output.dtype == torch.bfloat16
    output.sum().backward()
    for tensor in (output, x.grad):
        assert tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


@pytest.mark.thorough
def test_copies_and_alive_masks_are_those_of_the_usual_format() -> None:
    model, usual = network("vgg11_bn"), network("vgg11_bn", torch.float32)
    names = selection.prunable_names(model)
    scores = {name: parameter.detach().abs() for name, parameter in model.named_parameters() if name in names}
    cut = selection.keep_top(scores, 0.002)
    alive, expected = (alive_masks(copy.deepcopy(each), cut, SHAPE) for each in (model, usual))
    assert all(torch.equal(alive[name], expected[name]) for name in names)
    assert selection.count(alive) != selection.count(cut)
