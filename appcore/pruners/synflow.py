"""SynFlow: synaptic flow, without data (Tanaka et al., arXiv 2006.05467).

R is the sum of the outputs for an image of ones, of the network with every parameter at its absolute value; score w * dR/dw. One
round (rounds=1) is not the method: whole layers vanish at high compression, which is what the paper's 100 rounds prevent.
As in the authors' code BatchNorm is in evaluation mode and biases and BatchNorm's parameters are made absolute too.
Deviations: BatchNorm's running mean is set to 0 (it is 0 at initialisation, the paper's setting; after training it would be
subtracted, and R no longer grow with every weight); float64 throughout, since R overflows float32 in deep networks;
in a stream the ladder starts at the density in force.
Beyond the paper, whose networks have ReLU and BatchNorm alone, R stays a sum over paths with no negative term:
- activations that bend or saturate (GELU, SiLU, ReLU6, sigmoid, sine, ...) pass signals, as ReLU passes what is not negative;
- norms by statistics of their own input (LayerNorm, GroupNorm, InstanceNorm, RMSNorm) scale and shift only, also where they are
  written out: what is subtracted, and what a signal is divided by, is left out;
- a gate (squeeze and excitation, GLU) lets pass what it gates, and an attention looks at all open places evenly, however large their
  signals are. Products as such would make R a polynomial of any degree;
- the two factors of a product (gate and gated, queries and keys, attention and values) have half of its flow each, by their share of
  their factor's value. So they count as branches beside each other, and flow is neither made nor lost: with a whole for each, a layer
  below n attentions would be worth 3 ** n times R, and what lies above them would empty first.
What follows, as in the paper: the scores into a unit sum to those out of it, and those of every set of weights that all paths cross, to
R, but for what biases, shifts and position tables bring in. Such a set (each layer of a chain, the stem, the head) does not empty where a
round removes fewer weights than it has. A branch beside a skip connection is no such set: with a gain of g times the skip's its scores
sum to g / (1 + g) of R, and it may empty, which leaves the network alive. Nor is a layer that sees no image (Swin V2's of positions): it
is worth what it adds to signals. A function with no rule here that gives a negative term (cosine) is refused, not scored wrongly.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..errors import InputError
from .base import ScoringTask, exponential

CHOICES = {"synflow": "SynFlow"}
LOOK = {"synflow": {"colour": "#A67C00"}}
COST = {"synflow": 0.0}  # no images: one of ones per round
OPTIONS = {"rounds": {"default": 100, "ge": 1, "le": 1000, "help": "Rounds of scoring and cutting at each prune point; 1: one-shot"}}

_ARGUMENTS = {  # of the norms written in C, which have no signature that Python could read
    torch.batch_norm: "input weight bias running_mean running_var training momentum eps cudnn_enabled",
    torch.instance_norm: "input weight bias running_mean running_var use_input_stats momentum eps cudnn_enabled",
    torch.group_norm: "input num_groups weight bias eps cudnn_enabled",
    torch.layer_norm: "input normalized_shape weight bias eps cudnn_enable",
    torch.rms_norm: "input normalized_shape weight eps",
}
_BATCH_LIKE = (functional.batch_norm, functional.instance_norm, torch.batch_norm, torch.instance_norm)
_BY_CHANNEL = (*_BATCH_LIKE, functional.group_norm, torch.group_norm)
_NORMS = (*_BY_CHANNEL, functional.layer_norm, functional.rms_norm, torch.layer_norm, torch.rms_norm)
_PASSED = "gelu silu mish hardswish softplus sigmoid log_sigmoid hardsigmoid tanh hardtanh relu6 clamp clip softsign tanhshrink softshrink"
_PASSED += " hardshrink log_softmax normalize local_response_norm neg negative sin erf atan arctan asinh arcsinh expm1 log1p"
_PRODUCTS = ("matmul", "rmatmul", "bmm", "einsum")
_ROUNDING = 1e-9  # of the largest score: below this a negative one is a rounding error
_CLOSED = -100.0  # what masks of attention add where nothing shall be looked at, or less


def ladder(start: float, end: float, options: dict) -> list[float]:
    """Every round removes the same share of the remaining weights."""
    return exponential(start, end, options["rounds"])


def scores(task: ScoringTask) -> dict[str, Tensor]:
    """w * dR/dw of the masked network, in float64; never negative: InputError for a network with functions that have no rule here."""
    model = _linearised(task)
    weights = [model.get_parameter(name) for name in task.names]
    x = task.batches[0][0]
    task.passes.gradients += 1
    image = torch.ones(1, *x.shape[1:], dtype=torch.float64, device=x.device, requires_grad=True)  # all that depends on it is a signal
    with _Paths():
        output = model(image)
    found = torch.autograd.grad(output.sum(), weights, materialize_grads=True)
    scored = {name: weight.detach() * gradient for name, weight, gradient in zip(task.names, weights, found, strict=True)}
    extremes = torch.stack([torch.stack(score.aminmax()) for score in scored.values()]).tolist()  # one wait for a device
    lowest, worst = min((low, name) for name, (low, _) in zip(scored, extremes, strict=True))
    if lowest < -_ROUNDING * max(high for _, high in extremes):
        raise InputError(f"pruner: synflow cannot follow a function of this network after {worst!r}; choose another criterion", "pruner")
    return scored


@torch.no_grad()
def _linearised(task: ScoringTask) -> nn.Module:
    """The network with every weight and constant at its absolute value, of which only the prunable ones are variables."""
    model = task.model.double().eval()
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.abs_()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None:
            module.running_mean.zero_()
    model.requires_grad_(False)
    for name, mask in task.masks.items():
        model.get_parameter(name).requires_grad_().masked_fill_(~mask, 0.0)
    return model


class _Paths(TorchFunctionMode):
    """Within it, functions of signals that are not negative add up products of weights; see the head of this file."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if not any(map(_is_signal, (*args, *kwargs.values()))):
            return func(*args, **kwargs)
        if func in _NORMS:
            return _scaled(func, _given(func, args, kwargs))
        if func is functional.multi_head_attention_forward:
            with self:
                return _UNFOLDED(*args, **kwargs)
        name = getattr(func, "__name__", "").strip("_")
        found = _RULES[name](*args, **kwargs) if name in _RULES else NotImplemented
        if found is not NotImplemented:
            return found
        return func(*(_factors(args) if name in _PRODUCTS else args), **kwargs)


def _unfolded(func: Any) -> Callable:
    """A function of torch in Python that does not hand itself over as a whole, so that what it calls is seen."""
    body = {**func.__globals__, "has_torch_function": lambda _: False}
    return FunctionType(func.__code__, body, func.__name__, func.__defaults__)


_UNFOLDED = _unfolded(functional.multi_head_attention_forward)


def _is_signal(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _given(norm: Callable, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a norm by their names."""
    if norm in _ARGUMENTS:
        return {**dict(zip(_ARGUMENTS[norm].split(), args)), **kwargs}
    given = inspect.signature(norm).bind(*args, **kwargs)
    given.apply_defaults()
    return given.arguments


def _scaled(norm: Callable, given: dict[str, Any]) -> Tensor:
    """A norm without statistics of its input; as it is where it has constants for them, as BatchNorm in evaluation."""
    if norm in _BATCH_LIKE and not given.get("training", given.get("use_input_stats")):
        return norm(**given)
    x = given["input"]
    weight, bias = (
        value.view(-1, *[1] * (x.dim() - 2)) if norm in _BY_CHANNEL and value is not None else value
        for value in (given.get("weight"), given.get("bias"))
    )
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _relative(gate: Tensor) -> Tensor:
    """1 where a gate is open, also without any signal, and 0 where it is closed; grows with the gate's signal by its share."""
    now = gate.detach()
    return torch.where(now > 0, gate / torch.where(now > 0, now, 1.0), (now == 0).to(now.dtype))


def _half(x: Tensor) -> Tensor:
    """The same values with half of the flow: so much is each of two factors' part in what their product passes on."""
    return (x + x.detach()) / 2


def _gated(one: Any, other: Any, **_: Any) -> Any:
    """A product. Of two signals the gate is the one that is spread over the other; where it is open without any signal it has no part."""
    if not (_is_signal(one) and _is_signal(other)):
        return one * abs(other) if _is_signal(one) else other * abs(one)
    gate, main = (one, other) if one.numel() < other.numel() else (other, one)
    return torch.where(gate.detach() > 0, _half(main), main) * _half(_relative(gate))


def _factors(args: tuple) -> tuple:
    """The arguments of a product by matrices: of two signals, as in attention, each has half of the flow; with a weight it is a layer."""
    signals = [value for value in args if _is_signal(value)]
    if len(signals) < 2 or any(map(_is_weight, signals)):
        return args
    return tuple(_half(value) if _is_signal(value) else value for value in args)


def _is_weight(value: Tensor) -> bool:
    return value.is_leaf or (value._base is not None and value._base.is_leaf)


def _attention(x: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Tensor:
    """A softmax: equal shares for all places that are not masked. Without any signal it is a constant, and no factor of a product."""
    places, shares = (x.detach() >= 0).sum(1 if dim is None else dim, keepdim=True), _relative(x)
    return (shares if bool((x.detach() > 0).any()) else shares.detach()) / places.clamp(min=1)


def _dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False, **_: Any
) -> Tensor:
    scores = torch.matmul(*_factors((query, key.transpose(-2, -1))))
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        is_open = attn_mask if attn_mask.dtype == torch.bool else attn_mask > _CLOSED
        scores = scores.masked_fill(~is_open, -math.inf)
    return torch.matmul(*_factors((_attention(scores, -1), value)))


def _sum(one: Any, other: Any, **_: Any) -> Any:
    """Numbers shift an activation (relu6(x + 3)) and are left out; masks close places, however large signals have grown."""
    signal, constant = (one, other) if _is_signal(one) else (other, one)
    if not isinstance(constant, Tensor):
        return signal
    if _is_signal(constant) or not bool((constant <= _CLOSED).any()):
        return NotImplemented
    return torch.where(constant <= _CLOSED, -math.inf, signal + constant)


def _minuend(one: Any, other: Any, **_: Any) -> Any:
    if not _is_signal(one):  # 1 - x: as -x
        one, other = other, one
    return torch.broadcast_tensors(one, other)[0] if isinstance(other, Tensor) else one


def _dividend(one: Any, other: Any, **_: Any) -> Any:
    return _minuend(one, other) if _is_signal(other) else NotImplemented


_RULES: dict[str, Callable] = {
    **dict.fromkeys(_PASSED.split(), lambda input, *_, **__: input),
    **dict.fromkeys(("mul", "rmul", "imul", "multiply"), _gated),
    **dict.fromkeys(("add", "radd", "iadd"), _sum),
    **dict.fromkeys(("sub", "isub", "subtract"), _minuend),
    **dict.fromkeys(("div", "truediv", "itruediv", "divide", "true_divide"), _dividend),
    **dict.fromkeys(("rsqrt", "reciprocal"), torch.ones_like),
    **dict.fromkeys(("rdiv", "rtruediv"), lambda one, other: torch.ones_like(one) * other),
    "rsub": lambda one, other, **_: _minuend(other, one),
    "pow": lambda x, exponent: torch.ones_like(x) if isinstance(exponent, (int, float)) and exponent < 0 else NotImplemented,
    "glu": lambda input, dim=-1: _gated(*input.chunk(2, dim)),
    **dict.fromkeys(("softmax", "softmin"), _attention),
    "addcmul": lambda input, one, other, value=1: input + abs(value) * _gated(one, other),
    "addcdiv": lambda input, one, other, value=1: input + abs(value) * (one if _is_signal(other) else one / abs(other)),
    "scaled_dot_product_attention": _dot_product_attention,
}
