"""Masks: which weights may be pruned, which are kept (by rank, with the exact count), and which of those still matter.

Selection is by rank: among equal scores the earlier weight in network order is kept, so the count is exact whatever the ties.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..config import InputError
from ..quotas import quotas

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable_names(model: nn.Module, which: str = "auto", exempt: Iterable[str] = ()) -> list[str]:
    """Names of the weights that may be pruned, in network order.

    conv: convolutions; hidden: convolutions and linear layers but the last one; all: every convolution and linear layer;
    auto: convolutions, or every layer where there are no two of them (a transformer has one, that cuts the image in patches).
    `exempt` spares layers by name ("fc", "fc.weight") or pattern ("layer1.*"). InputError when an entry matches no layer, or when
    nothing is left.
    """
    order = [name for name, _ in model.named_parameters()]
    convolutions = [f"{name}.weight".lstrip(".") for name, module in model.named_modules() if isinstance(module, _CONVOLUTIONS)]
    linears = [f"{name}.weight".lstrip(".") for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    chosen = {
        "auto": convolutions if len(convolutions) > 1 or not linears else convolutions + linears,
        "conv": convolutions,
        "hidden": convolutions + linears[:-1],
        "all": convolutions + linears,
    }[which]
    if not chosen:
        raise InputError(f"prunable: {which!r} leaves nothing to prune in this network; choose auto or all", "prunable")
    known = {*convolutions, *linears}
    unspared = set(chosen) - _matching(exempt, [name for name in order if name in known])
    left = [name for name in order if name in unspared]
    if not left:
        raise InputError(
            f"exempt: {', '.join(exempt)} spares every layer that prunable={which} would prune ({', '.join(_short(chosen))}); exempt fewer",
            "exempt",
        )
    return left


def _matching(patterns: Iterable[str], layers: list[str]) -> set[str]:
    """The layers that the patterns name, with or without ".weight"."""
    found = set()
    for pattern in patterns:
        matched = {name for name in layers if fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(".weight"), pattern)}
        if not matched:
            raise InputError(
                f"exempt: {pattern!r} matches no convolution or linear layer of this network ({', '.join(_short(layers))}); "
                "a pattern such as layer1.* is possible",
                "exempt",
            )
        found |= matched
    return found


def _short(names: list[str]) -> list[str]:
    """Layer names for a message of one line."""
    plain = [name.removesuffix(".weight") for name in names]
    return plain if len(plain) <= 12 else [*plain[:8], "...", *plain[-3:]]


def full_masks(model: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """Masks that keep everything."""
    parameters = dict(model.named_parameters())
    return {name: torch.ones_like(parameters[name], dtype=torch.bool, memory_format=torch.preserve_format) for name in names}


def keep_count(masks: dict[str, Tensor], density: float) -> int:
    """round(density * n), n counting all weights, kept or not."""
    return round(density * sum(mask.numel() for mask in masks.values()))


def keep_top(
    scores: dict[str, Tensor], density: float, scope: str = "global", eligible: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Masks that keep exactly round(density * n) weights of the highest scores (n counts all, eligible or not).

    `eligible` (bool masks) excludes weights that must not return; when fewer are left than asked for, all of them are kept.
    Raises ValueError for scores that are not finite.
    """
    for name, score in scores.items():
        # The extremes of a tensor with a NaN are NaN, and this is many times faster than isfinite.
        if score.numel() and not all(math.isfinite(extreme) for extreme in score.aminmax()):
            raise ValueError(
                f"the scores of {name} are not finite, so weights cannot be ranked; the training has probably diverged (lower lr)"
            )
    sizes = {name: score.numel() for name, score in scores.items()}
    caps = sizes if eligible is None else count({name: eligible[name] for name in scores})
    keep = min(keep_count(scores, density), sum(caps.values()))
    if caps == sizes:
        eligible = None  # everything is, which is quicker
    if scope == "global":
        parts = _top(_flat(scores), keep, None if eligible is None else _flat({name: eligible[name] for name in scores}))
        flat = dict(zip(scores, parts.split(list(sizes.values())), strict=True))
    else:
        quota = quotas({name: tuple(score.shape) for name, score in scores.items()}, keep, scope, caps)
        flat = {
            name: _top(score.reshape(-1), quota[name], None if eligible is None else eligible[name].reshape(-1))
            for name, score in scores.items()
        }
    return {name: flat[name].view(score.shape) for name, score in scores.items()}


def _flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors.values()])


def _top(flat: Tensor, keep: int, eligible: Tensor | None) -> Tensor:
    """Bool mask of the `keep` highest eligible entries of a flat tensor; among equal ones the first."""
    if keep <= 0:
        return torch.zeros_like(flat, dtype=torch.bool)
    flat = flat.detach() if flat.dtype in (torch.float32, torch.float64) else flat.detach().float()
    threshold = _nth_highest(flat, keep, eligible)
    mask, ties = flat > threshold, flat == threshold
    if eligible is not None:
        mask &= eligible
        ties &= eligible
    missing = keep - int(mask.count_nonzero())
    mask[ties.nonzero()[:missing, 0]] = True
    return mask


def _nth_highest(flat: Tensor, n: int, eligible: Tensor | None) -> float:
    if flat.is_cuda:  # kthvalue on CUDA is about 20 times slower than a sort (pytorch issue 75599)
        return among(flat, eligible).sort().values[-n].item()
    # numpy's vectorised sort is 5 to 30 times faster than torch's sort and kthvalue, and ties do not slow it down.
    candidates = flat.numpy().copy() if eligible is None else among(flat, eligible).numpy()
    candidates.sort()
    return float(candidates[-n])


def among(values: Tensor, eligible: Tensor | None) -> Tensor:
    """The entries of a tensor that a bool tensor of its shape marks, flat and in order; all of them for None."""
    if eligible is None:
        return values.reshape(-1)
    if values.is_cuda or values.dtype == torch.bfloat16:  # which numpy does not know
        return values[eligible]
    # Ten times as fast as indexing by a bool tensor.
    return torch.from_numpy(np.compress(eligible.reshape(-1).numpy(), values.detach().reshape(-1).numpy()))


@torch.no_grad()
def apply(model: nn.Module, masks: dict[str, Tensor]) -> None:
    """Set pruned weights to exactly 0, in place."""
    parameters = dict(model.named_parameters())
    # masked_fill rather than a product: a product leaves NaN where a diverged weight was NaN.
    for name, mask in masks.items():
        parameters[name].masked_fill_(~mask, 0.0)


def count(masks: dict[str, Tensor]) -> dict[str, int]:
    """Weights kept per layer."""
    return {name: int(mask.count_nonzero()) for name, mask in masks.items()}


def density(masks: dict[str, Tensor]) -> float:
    """Fraction kept."""
    return sum(count(masks).values()) / sum(mask.numel() for mask in masks.values())


@torch.no_grad()
def effective_density(model: nn.Module, names: list[str]) -> float:
    """Share of non-zero weights, counted in the tensors that forward uses."""
    parameters = dict(model.named_parameters())
    return sum(int(parameters[name].count_nonzero()) for name in names) / sum(parameters[name].numel() for name in names)


class _Signals(TorchFunctionMode):
    """Functions inside forward that would not carry signals. Modules are changed by `_rewire`."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func in _SOFTMAX:  # attention: a place is looked at in any case, and more where query and key meet; -100 forbids it
            return (args[0] + 1.0).clamp(min=0.0)
        if func is functional.normalize:
            return args[0]
        if func is torch.max_pool2d:
            return functional.avg_pool2d(*args[:4], *args[5:])
        output = func(*args, **(kwargs or {}))
        return _Reached.apply(output) if func is functional.linear else output


_SOFTMAX = (functional.softmax, torch.softmax, Tensor.softmax)


class _Reached(torch.autograd.Function):
    """1 where a signal arrives, forward and backward: path existence without the overflow of path counts."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return (gradient > 0).to(gradient.dtype)


def alive_masks(model: nn.Module, masks: dict[str, Tensor], shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """Kept weights that lie on some path from an input pixel to an output, for images of `shape` (C, H, W).

    A kept weight can be dead: fed by channels with nothing left, feeding channels that nothing reads, or a kernel tap that only
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
        elif isinstance(child, (*_CONVOLUTIONS, nn.Linear)):
            child.register_forward_hook(lambda _module, _inputs, output: _Reached.apply(output))
        else:
            _rewire(child)
