"""Memory formats of weights: channels_last is faster, except for convolutions of many channels on few pixels on CPUs with bfloat16.

Their weights no longer fit into the cache and are read again for every few pixels: the plain format is 1.3 to 1.4 times as fast for 384
and 512 channels on 2x2 and 4x4 pixels, and slower for fewer channels or more pixels (two Zen 5 cores, torch 2.15).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .flops import Flops
from .steps import has_bf16_tiles

FEW_PIXELS = 16
MANY_CHANNELS = 384


def arrange(model: nn.Module, cost: Flops, dtype: torch.dtype, device: torch.device) -> nn.Module:
    """The network on its device, its weights in the format that trains fastest in `dtype` there; values stay as they are."""
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave this pair out
    if device.type == "cpu" and dtype == torch.bfloat16 and not has_bf16_tiles():
        for name, module in model.named_modules():
            if isinstance(module, nn.Conv2d) and _is_deep(module, cost.layers[f"{name}.weight"]):
                module.weight.data = module.weight.data.contiguous()
                module.register_forward_pre_hook(_into_plain)
                module.register_forward_hook(_out_of_plain)
    return model


def _is_deep(conv: nn.Conv2d, flops: int) -> bool:
    """Whether a convolution has many weights and few output pixels: each weight of a convolution takes two FLOPs for each of them."""
    pixels = flops // (2 * conv.weight.numel())
    is_plain = conv.groups == 1 and conv.stride == (1, 1) and conv.kernel_size != (1, 1)
    return is_plain and min(conv.in_channels, conv.out_channels) >= MANY_CHANNELS and pixels <= FEW_PIXELS


class _Relaid(torch.autograd.Function):
    """Autograd function that changes a tensor's memory format, and gives its gradient in the original format."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, form: torch.memory_format, before: torch.memory_format) -> Tensor:
        ctx.before = before
        return x.contiguous(memory_format=form)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.contiguous(memory_format=ctx.before), None, None


def _into_plain(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
    return (_Relaid.apply(inputs[0], torch.contiguous_format, torch.channels_last),) if _applies(inputs[0]) else None


def _out_of_plain(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
    return _Relaid.apply(output, torch.channels_last, torch.contiguous_format) if _applies(output) else None


def _applies(x: Tensor) -> bool:
    """Whether to change the format: only where bfloat16 is computed, for the network is also read in fp32, for facts about masks."""
    return torch.is_autocast_enabled(x.device.type)
