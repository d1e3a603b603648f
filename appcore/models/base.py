"""The contract of an architecture: `CHOICES = {name: title}` and `build(name, shape, classes) -> nn.Module`.

`shape` is (channels, height, width) of the images, any that a data set has; `classes` the number of outputs. A name that ends with a
colon (`torchvision:`) is completed by the user; `build` raises InputError where there is nothing of that name. `FOREIGN = True`: the
network's code is not of this package, so whatever it raises is said in one line. `build` is called on
the meta device and draws nothing: `initialise` gives every parameter its value, keyed by seed and parameter name.
Pooling and activations are modules (not functionals), so that `masks.alive` can walk the network.
A network that cannot take a shape needs no check of its own: `skeleton` tries one forward pass and reports it.

Rules of initialisation (setting `init`), of convolutions and linear layers:
- kaiming-fan-out, those of torchvision's ResNet: convolutions normal, std sqrt(2 / fan_out) (He et al., arXiv 1502.01852), bias 0; linear
  layers as torch;
- kaiming-fan-in, those of the published small ResNets and of SynFlow's networks: both normal, std sqrt(2 / fan_in), bias 0;
- torch, its defaults: weight and bias of both uniform in +-1 / sqrt(fan_in).
BatchNorm, LayerNorm, GroupNorm: weight 1, bias 0, running mean 0, running variance 1, no batches tracked, whatever `init` says.
A module of another kind that owns parameters or buffers must have a method `initialise_own(generator)` that fills them in place;
`generator(name)` gives the generator of its parameter `name`. Without it `initialise` refuses the network.
What a module keeps beside parameters and buffers (`get_extra_state`) must be a tensor, for only tensors are saved.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from .. import plugins, seeds
from ..config import RunConfig
from ..errors import InputError

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_SMALL_IMAGE, _SMALL_NETWORK = 3 * 64 * 64, 2_000_000  # values and parameters: a forward and backward pass takes about 20 ms at most
_NORMS = (*_BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)
FAN_OUT, FAN_IN, TORCH = INITS = get_args(RunConfig.model_fields["init"].annotation)
_MODES: dict[str, Literal["fan_in", "fan_out"]] = {FAN_OUT: "fan_out", FAN_IN: "fan_in"}


def create(arch: str, shape: tuple[int, int, int], classes: int, seed: int, init: str = FAN_OUT) -> nn.Module:
    """The network on the CPU, in training mode, with the initial values of `seed` and `init`; InputError if it cannot take the images."""
    model = on_cpu(skeleton(arch, shape, classes))
    initialise(model, seed, init=init)
    return model


def skeleton(arch: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network on the meta device: shapes without values. InputError if it cannot take images of this shape."""
    plugin = plugins.load("models", arch)
    try:
        with torch.device("meta"):
            model = plugin.build(arch, tuple(shape), classes)
        with for_shapes(model, shape) as (trial, device):
            # Two images: BatchNorm in training mode refuses one when nothing is left of height and width.
            output = trial(torch.zeros(2, *shape, device=device))
    except InputError:
        raise
    except Exception as error:
        if not (isinstance(error, (RuntimeError, ValueError)) or plugins.declares("models", arch, "FOREIGN")):
            raise
        size = " x ".join(map(str, shape))
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"arch: {arch} cannot take images of {size} (channels x height x width): {reason}", "arch") from error
    if not isinstance(output, Tensor):
        raise InputError(f"arch: {arch} gives a {type(output).__name__}; let it return one tensor, [images, classes]", "arch")
    if others := [name for name, value in model.state_dict().items() if not isinstance(value, Tensor)]:
        problem = f"{arch} keeps {others[0]}, which is no tensor"
        raise InputError(f"arch: {problem}; only tensors are saved, so its get_extra_state must return one", "arch")
    if output.shape != (2, classes):
        problem = f"{arch} gives outputs of shape {tuple(output.shape)} for 2 images"
        raise InputError(f"arch: {problem}; needed is (2, {classes}), one number for each class", "arch")
    return model


def takes_one_image(model: nn.Module, shape: tuple[int, int, int]) -> bool:
    """Whether a network of the meta device can be trained on a batch of one: BatchNorm cannot where no pixels are left to compare."""
    try:
        with for_shapes(model, shape) as (trial, device):
            trial(torch.zeros(1, *shape, device=device))
    except ValueError:
        return False
    return True


def on_cpu(model: nn.Module) -> nn.Module:
    """A network of the meta device with uninitialised memory on the CPU. `Module.to_empty` would import the compiler."""
    return model._apply(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype))


@contextmanager
def for_shapes(model: nn.Module, shape: tuple[int, int, int]) -> Iterator[tuple[nn.Module, str]]:
    """A network for computing shapes and counts, and its device: the given one on the meta device, or a copy on the CPU when it is small.

    On the meta device nothing is computed, but the first pass there imports torch's compiler, seconds in a fresh process; a pass of a
    small network over two images takes milliseconds.
    """
    pixels, parameters = math.prod(shape), sum(parameter.numel() for parameter in model.parameters())
    if pixels > _SMALL_IMAGE or parameters > _SMALL_NETWORK:
        with torch.device("meta"):
            yield model, "meta"
        return
    copied = on_cpu(copy.deepcopy(model))
    with torch.no_grad():
        for tensor in (*copied.parameters(), *copied.buffers()):
            tensor.zero_()
    with torch.random.fork_rng(devices=[]):  # dropout draws process-wide numbers
        yield copied, "cpu"


@torch.no_grad()
def initialise(model: nn.Module, seed: int, purpose: str = "init", only: Collection[str] | None = None, init: str = FAN_OUT) -> None:
    """Give every parameter its keyed value and every buffer its start, in place; with `only`, these parameters and nothing else."""
    parameters = dict(model.named_parameters())
    names = parameters if only is None else only
    if missing := set(names) - set(parameters):
        raise ValueError(f"no parameter of the network is called {', '.join(sorted(missing))}")
    for name in names:
        if has_rule(_owner(model, name)):
            parameters[name].copy_(initial_value(model, name, seed, purpose, init))
    for prefix, module in model.named_modules():
        if only is None and isinstance(module, _BATCH_NORMS):
            module.reset_running_stats()
        elif not has_rule(module) and _owns_any(module, prefix, only):
            _initialise_own(module, prefix, seed, purpose)


def initial_value(model: nn.Module, name: str, seed: int, purpose: str = "init", init: str = FAN_OUT) -> Tensor:
    """A fresh CPU tensor with the value that `initialise` would give to this parameter; the network is left as it is."""
    module, leaf = _owner(model, name), name.rpartition(".")[2]
    parameter = model.get_parameter(name)
    value = torch.empty(parameter.shape, dtype=parameter.dtype, device="cpu")
    generator = seeds.generator(seed, purpose, name)
    if not has_rule(module) or leaf not in ("weight", "bias"):
        raise ValueError(_no_rule(name, module))
    if isinstance(module, _NORMS):
        return value.fill_(1.0 if leaf == "weight" else 0.0)
    if init == TORCH or (init == FAN_OUT and isinstance(module, nn.Linear)):
        bound = 1 / math.sqrt(module.get_parameter("weight")[0].numel())  # its kaiming_uniform with a = sqrt(5) is the same
        return nn.init.uniform_(value, -bound, bound, generator=generator)
    if leaf == "bias":
        return value.zero_()
    return nn.init.kaiming_normal_(value, mode=_MODES[init], nonlinearity="relu", generator=generator)


def _owner(model: nn.Module, name: str) -> nn.Module:
    return model.get_submodule(name.rpartition(".")[0])


def has_rule(module: nn.Module) -> bool:
    """Whether a module is of a kind whose values `initialise` draws."""
    return isinstance(module, (*_CONVOLUTIONS, nn.Linear, *_NORMS))


def _owns_any(module: nn.Module, prefix: str, only: Collection[str] | None) -> bool:
    """Whether the module itself (not its children) owns a tensor that needs a value."""
    if only is None:
        return any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False))
    return any(f"{prefix}.{name}".lstrip(".") in only for name, _ in module.named_parameters(recurse=False))


def _initialise_own(module: nn.Module, prefix: str, seed: int, purpose: str) -> None:
    fill = getattr(module, "initialise_own", None)
    if fill is None:
        raise ValueError(_no_rule(prefix or "the network", module))
    fill(lambda name: seeds.generator(seed, purpose, f"{prefix}.{name}".lstrip(".")))


def _no_rule(name: str, module: nn.Module) -> str:
    return f"{name} ({type(module).__name__}) has no rule of initialisation: give its class a method initialise_own(generator)"
