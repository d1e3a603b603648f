"""A really smaller network: channels that no image changes, and those that nobody reads, are taken out of the tensors.

A removed filter's channel is rarely zero: BatchNorm adds its shift. What such constants add to the layers that read them goes into the
bias of these layers; where zero padding makes the border another value, all constant channels of a layer are united in one that stays.
So the function of the images is the same but for rounding, in evaluation mode, whatever the shifts are.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import InputError
from .channels import Layer, Norm, Walk, numbers
from .selection import CONVOLUTIONS

TOLERANCE = 1e-5  # of outputs, in parts of the largest one where that is above 1
_SIMILAR = 8  # a channel that stays anyhow stands in for constants up to so many times its own


def shrunk(network: nn.Module, example: Tensor) -> nn.Module:
    """A smaller copy of a network, in evaluation mode, which answers images [B, C, H, W] as `example` as the network does.

    InputError where torch.fx cannot trace it, where nothing can be removed, or where outputs on random images differ by more than
    `TOLERANCE`; the network itself stays as it is.
    """
    _refuse_views(network)
    small, image = copy.deepcopy(network).eval(), example[:1].detach()
    removed = 0
    while True:  # a removed filter may have been the last that read a channel
        try:
            walk = Walk(small, image)
        except Exception as error:
            raise InputError(f"network: its graph cannot be followed ({_line(error)}), so no channel can be removed", "network") from error
        now = _shrink(walk)
        if not now:
            break
        removed += now
    if not removed:
        raise InputError(f"network: no channel can be removed; {_reason(walk)}", "network")
    _compare(copy.deepcopy(network).eval(), small, example)
    return small


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _refuse_views(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module) or module._forward_pre_hooks:
            raise InputError(
                f"network: {name or 'it'} makes its weights anew at each pass (a parametrization, or torch.nn.utils.prune); "
                "make that permanent first",
                "network",
            )


def _reason(walk: Walk) -> str:
    layers = [module for module in walk.module.modules() if isinstance(module, (*CONVOLUTIONS, nn.Linear))]
    if walk.unknown and any(bool((layer.weight.flatten(1) == 0).all(1).any()) for layer in layers):
        return f"filters of zeros are bound to operations through which channels are not followed ({', '.join(sorted(walk.unknown)[:6])})"
    return "none is constant or unread; prune whole filters (granularity filter) first"


def _compare(network: nn.Module, small: nn.Module, example: Tensor) -> None:
    noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(0)).to(example)
    with torch.no_grad():
        for images in (example, noise):
            expected = network(images)
            try:
                away = float((small(images) - expected).abs().max())
            except Exception as error:
                raise InputError(
                    f"network: its forward pass counts on the number of channels ({_line(error)}), so none can be removed", "network"
                ) from error
            if not away <= TOLERANCE * max(1.0, float(expected.abs().max())):
                raise InputError(f"network: without its idle channels outputs differ by {away:.1e}, so it is not made smaller", "network")


def _matrix(layer: Layer) -> Tensor:
    """A layer's weights [outputs, inputs, places of the kernel], float64."""
    weight = numbers(layer.module.weight)
    return weight.reshape(*weight.shape[:2], -1)


def _idle(layer: Layer) -> Tensor:
    """Bool [inputs]: channels that a layer can do without: it does not read them, or they are constant."""
    assert layer.reads is not None
    return (_matrix(layer) == 0).all(2).all(0) | ~layer.reads.constant.isnan()


def _shrink(walk: Walk) -> int:
    """Take out what can be, in place; how many channels that were."""
    readers = [layer for layer in walk.layers if layer.reads]
    kept = _kept(walk, readers)
    for layer in readers:
        _fold(walk, layer, kept)
    count = 0
    for layer in walk.layers:
        gone = _cut(walk, layer, kept)
        count += gone if layer.reads else 0
    return count


def _kept(walk: Walk, readers: list[Layer]) -> set[int]:
    """The channels that stay, by their roots."""
    kept = walk.pinned
    for layer in readers:
        assert layer.reads is not None
        kept |= {root for root, idle in zip(walk.roots(layer.reads), _idle(layer).tolist(), strict=True) if not idle}
    for layer in readers:
        for channels in (layer.reads, layer.gives):
            assert channels is not None
            roots = walk.roots(channels)
            if not kept & set(roots):
                kept.add(roots[0])  # no tensor may be empty
        if layer.is_padded and (needed := _needed(walk, layer, kept)).any() and _stand_in(walk, layer, kept, needed) is None:
            kept.add(walk.roots(layer.reads)[int(_sizes(layer, needed).argmax())])  # type: ignore[arg-type]
    return kept


def _needed(walk: Walk, layer: Layer, kept: set[int]) -> Tensor:
    """Bool [inputs]: channels that go though their constants add something to a layer."""
    assert layer.reads is not None
    stays = torch.tensor([root in kept for root in walk.roots(layer.reads)])
    constant = layer.reads.constant.nan_to_num(0.0)
    return ~stays & (constant != 0) & (_matrix(layer) != 0).any(2).any(0)


def _sizes(layer: Layer, of: Tensor) -> Tensor:
    """The absolute constants of some channels, -1 for the others."""
    assert layer.reads is not None
    return layer.reads.constant.nan_to_num(0.0).abs().masked_fill(~of, -1.0)


def _stand_in(walk: Walk, layer: Layer, kept: set[int], needed: Tensor) -> int | None:
    """The place of a constant channel that stays and is large enough to carry those that go."""
    assert layer.reads is not None
    stays = torch.tensor([root in kept for root in walk.roots(layer.reads)])
    sizes = _sizes(layer, stays & ~layer.reads.constant.isnan() & (layer.reads.constant != 0))
    best = int(sizes.argmax())
    return best if sizes[best] > 0 and sizes[best] * _SIMILAR >= _sizes(layer, needed).max() else None


def _fold(walk: Walk, layer: Layer, kept: set[int]) -> None:
    """Put what constants that go add to a layer into its bias, or into the weights of a constant that stays."""
    needed = _needed(walk, layer, kept)
    if not needed.any():
        return
    assert layer.reads is not None
    module, weight = layer.module, _matrix(layer)
    added = torch.einsum("oik,i->ok", weight[:, needed], layer.reads.constant[needed])
    with torch.no_grad():
        if layer.is_padded:
            place = _stand_in(walk, layer, kept, needed)
            assert place is not None
            united = weight[:, place] + added / layer.reads.constant[place]
            module.weight[:, place] = united.reshape(module.weight[:, place].shape).to(module.weight)
            return
        bias = added.sum(1) + (0.0 if module.bias is None else numbers(module.bias))
        if module.bias is None:
            module.bias = nn.Parameter(bias.to(module.weight))
        else:
            module.bias.copy_(bias)


def _cut(walk: Walk, layer: Layer, kept: set[int]) -> int:
    """Take channels out of a module's tensors; how many of those that it gives."""
    module: Any = layer.module
    gives = torch.tensor([root in kept for root in walk.roots(layer.gives)])
    reads = gives if layer.reads is None else torch.tensor([root in kept for root in walk.roots(layer.reads)])
    for name in ("weight", "bias", "running_mean", "running_var"):
        tensor = getattr(module, name, None)
        if tensor is None:
            continue
        left = tensor.detach()[gives.to(tensor.device)]
        if name == "weight" and layer.reads is not None:
            left = left[:, reads.to(tensor.device)]
        setattr(module, name, nn.Parameter(left, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else left)
    inputs, outputs = int(reads.sum()), int(gives.sum())
    if isinstance(module, Norm):
        module.num_features = outputs
    elif isinstance(module, nn.Linear):
        module.in_features, module.out_features = inputs, outputs
    else:
        module.in_channels, module.out_channels, module.groups = inputs, outputs, module.groups if layer.reads else outputs
    return len(gives) - outputs
