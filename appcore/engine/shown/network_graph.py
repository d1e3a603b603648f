"""The graph of a network: its convolutions and linear layers in the order of work, and where several of their outputs meet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...events import GraphNode
from ...masks.selection import CONVOLUTIONS
from ...models.base import for_shapes, skeleton

_IMAGES = 2  # BatchNorm in training mode refuses a single image when nothing is left of height and width
_JOINS = {"add": "sum", "sub": "sum", "cat": "concatenation", "concat": "concatenation"}
_JOINS |= {"mul": "product", "matmul": "product", "bmm": "product"}


@lru_cache(maxsize=64)
def graph(arch: str, shape: tuple[int, int, int], classes: int) -> tuple[GraphNode, ...]:
    """The nodes of an architecture for images of this shape, the images first; InputError if it cannot take them. Results are kept."""
    with for_shapes(skeleton(arch, shape, classes), shape) as (model, device), torch.no_grad():
        images = torch.zeros(_IMAGES, *shape, device=device)
        trace = _Trace(model, images)
        with trace:
            model(images)
    return tuple(trace.nodes)


class _Trace(TorchFunctionMode):
    """Notes during a forward pass which node's output each tensor carries; what is made of several nodes' outputs is a join."""

    def __init__(self, model: nn.Module, images: Tensor):
        super().__init__()
        self.nodes = [GraphNode("images", "", (), (), tuple(images.shape[1:]))]
        layers = ((name, module) for name, module in model.named_modules() if isinstance(module, (*CONVOLUTIONS, nn.Linear)))
        self._weights = {id(module.weight): f"{name}.weight".lstrip(".") for name, module in layers}
        self._carried = {id(images): 0}
        self._alive: list[Any] = [images]  # a freed tensor's id would be given to another
        self._joined: dict[tuple[int, ...], int] = {}

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        given = list(_tensors((args, kwargs or {})))
        output = func(*args, **(kwargs or {}))
        made = list(_tensors(output))
        is_constant = _plain_name(func).startswith("new_") or _plain_name(func).endswith(
            "_like"
        )  # of the shape of a tensor, not of its values
        given = [] if is_constant else given
        sources = tuple(dict.fromkeys(self._carried[id(tensor)] for tensor in given if id(tensor) in self._carried))
        weight = next((tensor for tensor in given if id(tensor) in self._weights), None)
        if made and weight is not None and not sources:  # a weight that is reshaped before it is used
            self._weights.update((id(tensor), self._weights[id(weight)]) for tensor in made)
        elif made and weight is not None:
            self._add("layer", sources, made, self._weights[id(weight)], tuple(weight.shape))
        elif made and len(sources) > 1:
            self._join(_JOINS.get(_plain_name(func), "join"), sources, made)
        else:
            self._carried.update((id(tensor), source) for tensor in made for source in sources)
        self._alive += made
        return output

    def _join(self, kind: str, sources: tuple[int, ...], made: list[Tensor]) -> None:
        """In DenseNet each layer reads all earlier ones: what begins with an earlier concatenation is that one and what it adds."""
        for length in range(len(sources) - 1, 1, -1):
            if sources[:length] in self._joined:
                sources = (self._joined[sources[:length]], *sources[length:])
                break
        self._add(kind, sources, made)
        if kind == "concatenation":
            self._joined[tuple(self._all(sources))] = len(self.nodes) - 1

    def _all(self, sources: tuple[int, ...]) -> Iterator[int]:
        """The sources with earlier concatenations replaced by what they were made of."""
        made_of = {node: parts for parts, node in self._joined.items()}
        for source in sources:
            yield from made_of.get(source, (source,))

    def _add(self, kind: str, sources: tuple[int, ...], made: list[Tensor], name: str = "", shape: tuple[int, ...] = ()) -> None:
        self._carried.update((id(tensor), len(self.nodes)) for tensor in made)
        self.nodes.append(GraphNode(kind, name, shape, sources, tuple(made[0].shape[1:])))


def _plain_name(func: Any) -> str:
    """add for torch.add, Tensor.add_, x + y and x += y."""
    name = getattr(func, "__name__", "")
    return name.strip("_").removeprefix("i" if name.startswith("__i") else "r" if name.startswith("__r") else "")


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
