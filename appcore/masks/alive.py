"""Alive weights: kept ones on some path from input to output."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .selection import CONVOLUTIONS


class _Signals(TorchFunctionMode):
    """Replaces functions inside forward that would block signals. Modules are changed by `_rewire`."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func in _SOFTMAX:  # attention: every place gets some weight, and more where query and key agree; -100 masks it
            return (args[0] + 1.0).clamp(min=0.0)
        if func is functional.normalize:
            return args[0]
        if func is torch.max_pool2d:
            return functional.avg_pool2d(*args[:4], *args[5:])
        output = func(*args, **(kwargs or {}))
        return _Reached.apply(output) if func is functional.linear else output


_SOFTMAX = (functional.softmax, torch.softmax, Tensor.softmax)


class _Reached(torch.autograd.Function):
    """Autograd function: 1 where a signal arrives, forward and backward; counting paths would overflow."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return (gradient > 0).to(gradient.dtype)


def alive_masks(model: nn.Module, masks: dict[str, Tensor], shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """Kept weights that lie on some path from an input pixel to an output, for images of `shape` (C, H, W).

    A kept weight can be dead: its input channel has nothing left, nothing reads its output channel, or its kernel position only
    ever meets padding. Found with one forward and backward pass of signals that are 0 or 1. Shifts of norms, biases, class tokens and
    position tables are left out: a constant carries nothing of the input. Nor are the statistics of a norm a path. A gate (squeeze
    and excitation, attention) needs a signal at what it gates. Layers that `sees_no_image` marks as fed by constants count as alive.
    """
    probe = copy.deepcopy(model).float().eval()
    _rewire(probe)
    parameters = dict(probe.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(masks[name] if name in masks else torch.full_like(parameter, float(name.endswith(("weight", "scale")))))
            parameter.requires_grad_(name in masks)
    device = next(iter(masks.values())).device
    with torch.enable_grad(), _Signals():
        probe(torch.ones(1, *shape, device=device)).sum().backward()
    return {name: _alive(mask, parameters[name].grad, model.get_submodule(name.rpartition(".")[0])) for name, mask in masks.items()}


def _alive(mask: Tensor, gradient: Tensor | None, layer: nn.Module) -> Tensor:
    if getattr(layer, "sees_no_image", False):
        return mask.clone()
    return torch.zeros_like(mask) if gradient is None else mask & (gradient > 0)


def _rewire(module: nn.Module) -> None:
    """Make every operation of a network carry signals: norms pass through, max-pools average, products saturate at 1."""
    for name, child in module.named_children():
        if isinstance(child, (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)):
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.MaxPool2d):
            # A max-pool's gradient reaches one input only; every input of a window is on a path.
            setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
        elif isinstance(child, (*CONVOLUTIONS, nn.Linear)):
            child.register_forward_hook(lambda _module, _inputs, output: _Reached.apply(output))
        else:
            _rewire(child)
