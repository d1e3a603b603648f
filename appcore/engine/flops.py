"""What a network costs: FLOPs, parameters and activation memory for one image, counted by torch from two blank images.

One multiply-add is two FLOPs. Counted are convolutions and matrix products, as by torch's FlopCounterMode; normalisation, activations,
pooling, biases and the optimizer are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from ..masks.selection import CONVOLUTIONS
from ..models.base import for_shapes, skeleton
from ..quotas import Costs
from . import no_compiler

_IMAGES = 2  # BatchNorm in training mode refuses a single image when nothing is left of height and width


@dataclass(frozen=True)
class Flops:
    """Dense costs for one image. `training` is forward plus backward; layers are keyed by weight name, e.g. "conv1.weight"."""

    forward: int
    training: int
    layers: dict[str, int]
    training_layers: dict[str, int]
    parameters: int

    def sparse_forward(self, densities: Mapping[str, float]) -> int:
        """FLOPs of forward if the work in each layer shrank with its density; layers left out count in full."""
        return round(self.forward - sum(self.layers[name] * (1 - density) for name, density in densities.items()))

    def sparse_training(self, densities: Mapping[str, float]) -> int:
        """The same for forward and backward."""
        saved = sum(self.training_layers[name] * (1 - density) for name, density in densities.items())
        return round(self.training - saved)

    def dense_gradient(self, densities: Mapping[str, float], wanted: Mapping[str, float] | None = None) -> int:
        """What gradients of pruned weights cost on top of `sparse_training`: of all, or up to the share `wanted` of each layer's weights.

        The gradient of a layer's weights costs as much as its forward pass.
        """
        shares = {name: (wanted[name] if wanted else 1.0) - density for name, density in densities.items()}
        return round(sum(self.layers[name] * max(0.0, share) for name, share in shares.items()))

    def costs(self, sizes: Mapping[str, int]) -> Costs:
        """What a weight of these layers costs, given how many they have."""
        return Costs(self.forward, {name: self.layers[name] // size for name, size in sizes.items()})

    @property
    def hessian_product(self) -> int:
        """FLOPs of a product with the Hessian: forward, backward, and backward through both.

        A layer has k products of matrices in its backward pass: two, or one where nobody needs the gradient of its input. Backward through
        both passes takes k (k + 1) of them.
        """
        total, elsewhere = self.training, self.training - sum(self.training_layers.values())
        for name, forward in self.layers.items():
            k = self.training_layers[name] // forward - 1 if forward else 0
            total += k * (k + 1) * forward
        return total + 2 * elsewhere


def count(arch: str, shape: tuple[int, int, int], classes: int) -> Flops:
    """FLOPs and parameters of an architecture for images of this shape; InputError if it cannot take them. Results are kept."""
    return _count(arch, tuple(shape), classes)


def costs(network: nn.Module, image: Tensor, sizes: Mapping[str, int]) -> Costs:
    """What a weight of these layers costs in any network, for a batch of one image; the network, in evaluation mode, stays as it is."""
    layers = _Layers(network)
    with _Counter(layers) as counter, torch.enable_grad():  # without gradients torch's own transformers take a path that is not counted
        no_compiler.spare(type(getattr(counter, "mode", None)))
        network(image)
    by_layer = layers.flops(counter)
    return Costs(counter.get_total_flops(), {name: by_layer[name] // size for name, size in sizes.items()})


def activation_bytes(arch: str, shape: tuple[int, int, int], classes: int) -> int:
    """Bytes that autograd keeps for the backward pass per image of a batch, in fp32, the image itself included, parameters not."""
    return _activation_bytes(arch, tuple(shape), classes)


@lru_cache(maxsize=64)
def _count(arch: str, shape: tuple[int, int, int], classes: int) -> Flops:
    with for_shapes(skeleton(arch, shape, classes), shape) as (model, device):
        return _counted(model, torch.zeros(_IMAGES, *shape, device=device), torch.zeros(_IMAGES, dtype=torch.int64, device=device))


def _counted(model: nn.Module, images: Tensor, targets: Tensor) -> Flops:
    layers = _Layers(model)
    with _Counter(layers) as counter:
        no_compiler.spare(type(getattr(counter, "mode", None)))
        loss = cross_entropy(model(images), targets)
        forward, forward_layers = counter.get_total_flops(), layers.flops(counter)
        layers.current = None
        loss.backward()
    return Flops(
        forward=forward // _IMAGES,
        training=counter.get_total_flops() // _IMAGES,
        layers={name: flops // _IMAGES for name, flops in forward_layers.items()},
        training_layers={name: flops // _IMAGES for name, flops in layers.flops(counter).items()},
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


@lru_cache(maxsize=64)
def _activation_bytes(arch: str, shape: tuple[int, int, int], classes: int) -> int:
    with for_shapes(skeleton(arch, shape, classes), shape) as (model, device):
        # What grows with the batch is activations; parameters and BatchNorm's statistics are in both counts and cancel.
        three, two = (_saved_bytes(model, torch.zeros(images, *shape, device=device)) for images in (3, 2))
    return three - two


def _saved_bytes(model: nn.Module, images: Tensor) -> int:
    saved = {}  # by storage, so that views and tensors saved twice count once; holding the storages keeps their identities apart

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(images)
    total = sum(storage.nbytes() for storage in saved.values())
    del outputs  # the graph lives until here
    return total


def _backward_of_convolution(gradient: list[int], images: list[int], weight: list[int], *args: Any, **_: Any) -> int:
    """Twice the forward pass: for the gradient of the input, where one is wanted, and of the weight. torch 2.15's own formula leaves
    groups out, and counts 29 forward passes for MobileNetV3."""
    is_transposed, wanted = args[4], args[7]
    return sum(wanted[:2]) * conv_flop_count(images, weight, gradient, is_transposed)


class _Counter(FlopCounterMode):
    """FlopCounterMode that asks `layers` where it is: its own tracker hooks every module of the process, also one that trains meanwhile."""

    def __init__(self, layers: _Layers):
        super().__init__(display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward_of_convolution})
        self.mod_tracker: Any = layers


class _Layers:
    """Which convolution or linear layer of one network is at work, in forward or backward: `parents`, in the words of FlopCounterMode."""

    def __init__(self, model: nn.Module):
        counted = ((name, module) for name, module in model.named_modules() if isinstance(module, (*CONVOLUTIONS, nn.Linear)))
        self.names: dict[nn.Module, str] = {module: f"{name}.weight".lstrip(".") for name, module in counted}
        self.current: str | None = None
        self.handles: list = []

    @property
    def parents(self) -> set[str]:
        return {"Global", self.current} if self.current else {"Global"}

    def flops(self, counter: FlopCounterMode) -> dict[str, int]:
        counts = counter.get_flop_counts()
        return {name: sum(counts.get(name, {}).values()) for name in self.names.values()}

    def __enter__(self) -> _Layers:
        for module in self.names:
            self.handles += [module.register_forward_pre_hook(self._before), module.register_forward_hook(self._after)]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()

    def _before(self, module: nn.Module, inputs: tuple) -> None:
        self.current = self.names[module]

    def _after(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        """In backward a layer's turn starts with the gradient of its output and ends with that of its input."""
        name, self.current = self.names[module], None
        if output.requires_grad:  # not where a network is frozen
            output.register_hook(lambda _: setattr(self, "current", name))
        if inputs[0].requires_grad:
            inputs[0].register_hook(lambda _: setattr(self, "current", None if self.current == name else self.current))
