"""Networks whose classes are not of this package, made fit for it: on the meta device, without noise, every value with a rule.

What `initialise` has no rule for (position tables, class tokens, PReLU, ...) begins as the constructor makes it, drawn from a generator of
the seed: a twin is built on the CPU, and its values are taken. Convolutions, linear layers and norms follow `init` as everywhere.
Dropout and stochastic depth become identities: their noise would come from the process-wide generator, and a resumed run would draw others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from .base import has_rule

Make = Callable[[], nn.Module]
_NOISE = ("DropPath", "StochasticDepth", "DropBlock2d")


def fit(make: Make) -> nn.Module:
    """The network that `make` builds, on the meta device. The process-wide generator is left as it was."""
    model = _built(make, 0)
    for prefix, module in list(model.named_modules()):
        if isinstance(module, nn.modules.dropout._DropoutNd) or type(module).__name__ in _NOISE:
            parent, _, leaf = prefix.rpartition(".")
            setattr(model.get_submodule(parent), leaf, nn.Identity())
        elif not has_rule(module) and not hasattr(module, "initialise_own"):
            module.initialise_own = partial(_as_constructed, module, prefix, make)
    return model._apply(lambda tensor: torch.empty_like(tensor, device="meta"))


def _built(make: Make, seed: int) -> nn.Module:
    """With values, on the CPU: constructors compute with tensors, which the meta device cannot."""
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _as_constructed(module: nn.Module, prefix: str, make: Make, generator: Callable[[str], torch.Generator]) -> None:
    """Give a module's own parameters and buffers, in place, the values of a network that is built from a seed of its own."""
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    twin = _built(make, generator(own[0][0]).initial_seed()).get_submodule(prefix)
    values = {**dict(twin.named_parameters(recurse=False)), **dict(twin.named_buffers(recurse=False))}
    with torch.no_grad():
        for name, tensor in own:
            tensor.copy_(values[name])
