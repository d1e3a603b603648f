"""The channels of a network along its graph: which are bound to each other, and which carry the same constant for every image.

One walk with torch.fx over one image. A channel is constant where all that reaches it is: a filter of zeros gives its bias, BatchNorm
makes its shift of that, and so on until a layer whose zero padding adds another value at the border. Two channels are bound where an
operation pairs them (a sum, a product, a depthwise convolution), so that they can only be removed together. What an operation that is not
known here reads and gives stays as it is: `pinned`.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from .selection import CONVOLUTIONS

Norm = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels (dimension 1) of a tensor: an identity of each, and its value where no image changes it, else NaN (float64)."""

    ids: Tensor
    constant: Tensor


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution or linear layer, or (`reads` None) a module with a place for each channel, that can be made smaller."""

    name: str
    module: Any
    reads: Channels | None
    gives: Channels
    is_padded: bool = False  # with zeros, so that a constant channel is none at the border


class Walk(fx.Interpreter):
    """A network's layers with the channels that they read and give. Exceptions of tracing and of the forward pass are passed on."""

    def __init__(self, network: nn.Module, image: Tensor):
        traced = fx.symbolic_trace(network)
        super().__init__(traced)
        self.layers: list[Layer] = []
        self.unknown: set[str] = set()  # operations that held channels fast
        self._parents: list[int] = []
        self._pinned: list[int] = []
        self._channels: dict[fx.Node, Channels] = {}
        self._shapes: dict[Any, tuple[int, ...]] = {}
        self._calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
        self._shared = Counter(id(p) for _, p in network.named_parameters(remove_duplicate=False))
        with torch.no_grad():
            self.run(image)

    def root(self, channel: int) -> int:
        """The one of the channels bound to this one that stands for all."""
        while self._parents[channel] != channel:
            self._parents[channel] = self._parents[self._parents[channel]]
            channel = self._parents[channel]
        return channel

    def roots(self, channels: Channels) -> list[int]:
        """`root` of each channel."""
        return [self.root(channel) for channel in channels.ids.tolist()]

    @property
    def pinned(self) -> set[int]:
        """The roots of channels that have to stay."""
        return {self.root(channel) for channel in self._pinned}

    # ---- the walk

    def run_node(self, n: fx.Node) -> Any:
        """The value of a node, with its channels noted."""
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self._shapes[n] = tuple(value.shape)
        channels = self._after(n, value)
        if channels is not None:
            self._channels[n] = channels
            if self._is_in_place(n) and isinstance(n.args[0], fx.Node):
                self._channels[n.args[0]] = channels
        return value

    def _after(self, n: fx.Node, value: Any) -> Channels | None:
        if n.op == "placeholder":
            return self._new(value.shape[1], pinned=True)
        if n.op == "output":
            self._hold(n)
            return None
        if n.op == "get_attr" or not _has_tensor(value):
            return None
        target: Any = self.fetch_attr(str(n.target)) if n.op == "call_module" else n.target
        first = self._channels.get(n.args[0]) if n.args and isinstance(n.args[0], fx.Node) else None
        found = None
        if n.op == "call_module" and first is not None:
            found = self._module(n, target, first)
        elif n.op in ("call_function", "call_method") and isinstance(value, Tensor):
            found = self._function(n, target, first, value)
        if found is not None:
            return found
        self.unknown.add(type(target).__name__ if n.op == "call_module" else getattr(target, "__name__", str(target)))
        self._hold(n)
        return self._new(value.shape[1], pinned=True) if isinstance(value, Tensor) and value.dim() > 1 else None

    def _module(self, n: fx.Node, module: nn.Module, first: Channels) -> Channels | None:
        kind = type(module)
        if any(self._calls[n.target] > 1 or self._shared[id(p)] > 1 for p in module.parameters()):
            return None
        if kind in CONVOLUTIONS:
            return self._convolution(n, module, first)
        if kind is nn.Linear and len(self._shapes[n.args[0]]) == 2:
            return self._noted(str(n.target), module, first, is_padded=False)
        if isinstance(module, Norm):
            if module.running_mean is None or module.running_var is None:
                return None
            scale = (numbers(module.running_var) + module.eps).rsqrt()
            scale, shift = scale * _or(module.weight, 1.0), _or(module.bias, 0.0)
            gives = replace(first, constant=(first.constant - numbers(module.running_mean)) * scale + shift)
            self.layers.append(Layer(str(n.target), module, None, gives))
            return gives
        if kind in _ELEMENTWISE_MODULES:
            return replace(first, constant=module(first.constant.clone()))
        if kind is nn.Flatten:
            return self._flat(n, first) if (module.start_dim, module.end_dim) == (1, -1) else None
        if kind in _AVERAGES:
            return _bordered(first) if module.count_include_pad and _has_padding(module.padding) else first
        return first if kind in _PASSING_MODULES else None

    def _convolution(self, n: fx.Node, module: Any, first: Channels) -> Channels | None:
        name, is_padded = str(n.target), module.padding_mode == "zeros" and _has_padding(module.padding, module.kernel_size)
        if module.groups == 1:
            return self._noted(name, module, first, is_padded)
        if not module.groups == module.in_channels == module.out_channels:
            return None
        weight, bordered = numbers(module.weight).flatten(1), _bordered(first) if is_padded else first
        value = torch.where((weight == 0).all(1), 0.0, bordered.constant * weight.sum(1)) + _or(module.bias, 0.0)
        gives = replace(first, constant=value)
        self.layers.append(Layer(name, module, None, gives))
        return gives

    def _noted(self, name: str, module: Any, reads: Channels, is_padded: bool) -> Channels:
        """What a layer that mixes all channels gives."""
        weight = numbers(module.weight)
        kernels, usable = weight.flatten(2).sum(2) if weight.dim() > 2 else weight, (_bordered(reads) if is_padded else reads).constant
        varies = ((weight.flatten(2) != 0).any(2) if weight.dim() > 2 else weight != 0) & usable.isnan()
        value = kernels @ usable.nan_to_num(0.0) + _or(module.bias, 0.0)
        fresh = self._new(len(weight))
        gives = replace(fresh, constant=value.masked_fill(varies.any(1), math.nan))
        self.layers.append(Layer(name, module, reads, gives, is_padded))
        return gives

    def _function(self, n: fx.Node, target: Any, first: Channels | None, value: Tensor) -> Channels | None:
        if target in (torch.cat, torch.concat):
            return self._joined(n, value)
        if target in _PAIRS and len(n.args) == 2 and all(isinstance(argument, fx.Node) for argument in n.args):
            return self._paired(n, _PAIRS[target])
        if first is None or any(isinstance(argument, fx.Node) and argument in self._channels for argument in n.args[1:]):
            return None
        if target in _PAIRS or target in _ELEMENTWISE:
            if any(isinstance(argument, fx.Node) for argument in n.args[1:]):
                return None
            own = _PAIRS.get(target) or (getattr(Tensor, target) if isinstance(target, str) else target)
            return replace(first, constant=own(first.constant.clone(), *n.args[1:], **n.kwargs))
        if target is functional.avg_pool2d:
            padding = n.kwargs.get("padding", n.args[3] if len(n.args) > 3 else 0)
            return _bordered(first) if _has_padding(padding) else first
        if target is functional.pad:
            sides: Any = n.kwargs.get("pad", n.args[1] if len(n.args) > 1 else ())
            return _bordered(first) if len(sides) <= 2 * (value.dim() - 2) and len(n.args) < 3 and "value" not in n.kwargs else None
        if target in _FLAT:
            return self._flat(n, first) if _is_flat(n, value, self._shapes[n.args[0]]) else None
        if target in ("mean", torch.mean):
            dims: Any = n.kwargs.get("dim", n.args[1] if len(n.args) > 1 else ())
            dims = {d % len(self._shapes[n.args[0]]) for d in ([dims] if isinstance(dims, int) else dims)}
            return first if dims and not dims & {0, 1} else None
        if target is operator.getitem:
            place: Any = n.args[1]
            is_plain = isinstance(place, tuple) and all(isinstance(part, slice) for part in place)
            return first if is_plain and (len(place) < 2 or place[1] == slice(None)) else None
        return first if target in _PASSING or getattr(target, "__name__", "") == "stochastic_depth" else None

    def _joined(self, n: fx.Node, value: Tensor) -> Channels | None:
        parts: Any = n.args[0]
        dim: Any = n.kwargs.get("dim", n.args[1] if len(n.args) > 1 else 0)
        found = [self._channels.get(part) for part in parts] if isinstance(parts, (list, tuple)) else [None]
        if dim % value.dim() != 1 or any(part is None for part in found):
            return None
        return Channels(torch.cat([part.ids for part in found if part]), torch.cat([part.constant for part in found if part]))

    def _paired(self, n: fx.Node, own: Callable[[Tensor, Tensor], Tensor]) -> Channels | None:
        one, other = (self._channels.get(argument) for argument in n.args)  # type: ignore[arg-type]
        if one is None or other is None or len(one.ids) != len(other.ids):
            return None
        for a, b in zip(one.ids.tolist(), other.ids.tolist(), strict=True):
            self._parents[self.root(a)] = self.root(b)
        value = own(one.constant, other.constant)
        if own is operator.mul:  # zero times whatever an image gives
            value = value.masked_fill((one.constant == 0) | (other.constant == 0), 0.0)
        return Channels(one.ids, value)

    def _flat(self, n: fx.Node, first: Channels) -> Channels:
        places = math.prod(self._shapes[n.args[0]][2:])
        return Channels(first.ids.repeat_interleave(places), first.constant.repeat_interleave(places))

    def _new(self, count: int, *, pinned: bool = False) -> Channels:
        start = len(self._parents)
        self._parents += range(start, start + count)
        self._pinned += range(start, start + count) if pinned else ()
        return Channels(torch.arange(start, start + count), torch.full((count,), math.nan, dtype=torch.float64))

    def _hold(self, n: fx.Node) -> None:
        for read in n.all_input_nodes:
            if read in self._channels:
                self._pinned += self._channels[read].ids.tolist()

    def _is_in_place(self, n: fx.Node) -> bool:
        if n.op == "call_module":
            return bool(getattr(self.fetch_attr(str(n.target)), "inplace", False))
        name = getattr(n.target, "__name__", str(n.target))
        return bool(n.kwargs.get("inplace")) or n.target in (operator.iadd, operator.imul) or name.endswith("_")


def numbers(tensor: Tensor) -> Tensor:
    """A tensor in float64 on the CPU."""
    return tensor.detach().cpu().double()


def _or(values: Tensor | None, otherwise: float) -> Any:
    return otherwise if values is None else numbers(values)


def _has_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, (tuple, list)) and any(map(_has_tensor, value)))


def _has_padding(padding: Any, kernel: Any = ()) -> bool:
    if isinstance(padding, str):  # "same" or "valid"
        return padding == "same" and any(side > 1 for side in kernel)
    return any(padding) if isinstance(padding, (tuple, list)) else bool(padding)


def _bordered(channels: Channels) -> Channels:
    """What is left of constants beside a border of zeros."""
    return replace(channels, constant=torch.where(channels.constant == 0, channels.constant, math.nan))


def _is_flat(n: fx.Node, value: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether everything but the batch became one dimension, by sizes that a smaller network has too."""
    if n.target in (torch.flatten, "flatten"):
        return bool(n.kwargs.get("start_dim", n.args[1] if len(n.args) > 1 else 0) == 1) and value.dim() == 2
    sizes: Any = n.args[1] if len(n.args) == 2 and isinstance(n.args[1], (tuple, list)) else n.args[1:]
    return value.dim() == 2 and value.shape[0] == shape[0] and len(sizes) == 2 and isinstance(sizes[0], fx.Node) and sizes[1] == -1


_PAIRS: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), operator.add),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul", "mul_"), operator.mul),
    **dict.fromkeys((operator.sub, torch.sub, "sub"), operator.sub),
    **dict.fromkeys((operator.truediv, torch.div, "div"), operator.truediv),
}
_ELEMENTWISE_MODULES = {
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Hardtanh),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh),
}
_ELEMENTWISE = {
    *(functional.relu, functional.relu_, functional.relu6, functional.leaky_relu, functional.elu, functional.gelu, functional.silu),
    *(functional.mish, functional.softplus, functional.hardtanh, functional.hardswish, functional.hardsigmoid),
    *(torch.relu, torch.relu_, torch.sigmoid, torch.tanh, functional.sigmoid, functional.tanh),
    *("relu", "relu_", "sigmoid", "tanh", "clamp"),
}
_AVERAGES = {nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d}
_PASSING_MODULES = {
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout),  # nothing in evaluation
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
}
_PASSING = {
    *(functional.max_pool2d, functional.adaptive_avg_pool2d, functional.adaptive_max_pool2d),
    *("contiguous", "clone", "detach"),
}
_FLAT = {torch.flatten, torch.reshape, "flatten", "view", "reshape"}
