"""Any classifier of torchvision by name, as `torchvision:mobilenet_v2`: random initial values, its original stem, any number of channels.

Differences from torchvision's own networks, so that runs pair and resume exactly and every layer can be pruned:
- no dropout and no stochastic depth: their noise would come from the process-wide generator;
- initial values follow the rules in base.py for every network; what only these networks own starts as in torchvision (class token 0,
  position tables normal with std 0.02, ConvNeXt's layer scale 1e-6, Swin V2's logit scale log 10);
- GoogLeNet and Inception have no auxiliary outputs;
- ViT and MaxViT are made for the size of the images: ViT takes squares whose side is a multiple of its patch (16, 32 or 14), MaxViT
  sides that its windows of 7 divide, such as 224;
- ViT's attention has two linear layers (in_proj, out_proj) in place of a module that hides them.

Every convolution and linear layer can be pruned. Of ViT and Swin, `prunable=auto` takes all of them; ConvNeXt and MaxViT hold most of their
weights in linear layers beside several convolutions: choose `prunable=all` there. The attention of Swin calls its linear layers by their
weights alone, so FLOPs by layer do not see them, and their sparsity is not counted as saved.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..errors import InputError

CHOICES = {"torchvision:": "A torchvision classifier, by name"}

_Generator = Callable[[str], torch.Generator]


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network that torchvision registers under the part of `name` after the colon."""
    from torchvision import models

    wanted, known = name.partition(":")[2], models.list_models(module=models)
    if wanted not in known:
        close = difflib.get_close_matches(wanted, known, n=5, cutoff=0.5) or ["resnet18", "mobilenet_v2", "vit_b_16"]
        raise InputError(f"arch: {name}: torchvision has no classifier {wanted!r}; do you mean {' or '.join(close)}?", "arch")
    with _NumbersOnCpu() if wanted.startswith("regnet_") else nullcontext():
        model = models.get_model(wanted, weights=None, num_classes=classes, **_arguments(wanted, shape))
    _take_channels(model, shape[0])
    for prefix, module in list(model.named_modules()):
        kind = type(module).__name__
        if isinstance(module, nn.modules.dropout._DropoutNd) or kind == "StochasticDepth":
            _replace(model, prefix, nn.Identity())
        elif isinstance(module, nn.MultiheadAttention):
            _replace(model, prefix, SelfAttention(module.embed_dim, module.num_heads))
        elif isinstance(module, nn.Hardsigmoid):
            _replace(model, prefix, HardSigmoid())
        elif kind in _STARTS:
            module.initialise_own = partial(_STARTS[kind], module)
        module.sees_no_image = ".cpb_mlp" in prefix  # Swin V2's: it turns positions into a bias
    return model


class SelfAttention(nn.Module):
    """nn.MultiheadAttention as ViT calls it, made of linear layers. Softmax written out: fused kernels do not repeat to the bit on GPUs."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        """The three inputs must be one and the same [B, N, width]."""
        q, k, v = self.in_proj(query).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, B, heads, N, width / heads]
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)  # [B, heads, N, N]
        return self.out_proj((weights @ v).transpose(1, 2).flatten(2)), None


class HardSigmoid(nn.Module):
    """nn.Hardsigmoid with a second derivative, which GraSP needs and torch has not."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(x + 3.0) / 6.0


class _NumbersOnCpu(TorchFunctionMode):
    """RegNet computes its widths with tensors while it is built: those must have values although the network has none yet."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.arange, torch.tensor):
            kwargs.setdefault("device", "cpu")
        return func(*args, **kwargs)


def _arguments(name: str, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Arguments of a network's constructor besides the classes."""
    height, width = shape[1:]
    if name.startswith("vit_"):
        patch = int(name.rpartition("_")[2])
        if height != width or not height or height % patch:
            raise ValueError(f"it takes squares whose side is a multiple of {patch} pixels")
        return {"image_size": height}
    if name.startswith("maxvit_"):
        return {"input_size": (height, width)}
    return {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}


def _take_channels(model: nn.Module, channels: int) -> None:
    """Give the first convolution this number of input channels; all of torchvision's take three."""
    prefix, first = next((prefix, module) for prefix, module in model.named_modules() if isinstance(module, nn.Conv2d))
    if channels == first.in_channels:
        return
    sizes: dict[str, Any] = {name: getattr(first, name) for name in ("kernel_size", "stride", "padding", "dilation")}
    _replace(model, prefix, nn.Conv2d(channels, first.out_channels, **sizes, bias=first.bias is not None))


def _replace(model: nn.Module, prefix: str, new: nn.Module) -> None:
    parent, _, leaf = prefix.rpartition(".")
    setattr(model.get_submodule(parent), leaf, new)


def _start_positions(module: Any, generator: _Generator) -> None:
    nn.init.normal_(module.pos_embedding, std=0.02, generator=generator("pos_embedding"))


def _start_windows(module: Any, generator: _Generator) -> None:
    _recompute(module, "relative_position_index", module.define_relative_position_index)
    nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02, generator=generator("relative_position_bias_table"))


def _start_windows_v2(module: Any, generator: _Generator) -> None:
    _recompute(module, "relative_position_index", module.define_relative_position_index)
    _recompute(module, "relative_coords_table", module.define_relative_position_bias_table)
    module.logit_scale.fill_(math.log(10.0))


def _start_partitions(module: Any, generator: _Generator) -> None:
    from torchvision.models import maxvit

    module.relative_position_index.copy_(maxvit._get_relative_position_index(module.size, module.size))
    nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02, generator=generator("relative_position_bias_table"))


def _recompute(module: nn.Module, buffer: str, define: Callable[[], None]) -> None:
    """Fill a buffer with the values that `define` would give it, in place."""
    old = getattr(module, buffer)
    define()
    setattr(module, buffer, old.copy_(getattr(module, buffer)))


# Initial values of modules with own parameters or tables, other than convolutions, linear layers and norms, by class name.
_STARTS: dict[str, Callable[[Any, _Generator], object]] = {
    "CNBlock": lambda module, generator: module.layer_scale.fill_(1e-6),
    "VisionTransformer": lambda module, generator: module.class_token.zero_(),
    "Encoder": _start_positions,
    "ShiftedWindowAttention": _start_windows,
    "ShiftedWindowAttentionV2": _start_windows_v2,
    "RelativePositionalMultiHeadAttention": _start_partitions,
}
