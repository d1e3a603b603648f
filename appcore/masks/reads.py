"""Numbers brought from a device to the host, as seldom as can be: each read waits until all that was queued on the device is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import update_wrapper
from itertools import islice
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")
Asking = Generator[Sequence[Tensor], list[Any], T]


def read(tensors: Sequence[Tensor]) -> list[Any]:
    """Each tensor as plain numbers, nested as its shape is; all in one read, whatever their shapes and types."""
    if all(tensor.is_cpu for tensor in tensors):
        return [tensor.tolist() for tensor in tensors]
    # float64 holds every float32 exactly, and every count.
    flat = torch.cat([tensor.detach().reshape(-1).double() for tensor in tensors]).cpu()
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [part.to(tensor.dtype).view(tensor.shape).tolist() for part, tensor in zip(parts, tensors, strict=True)]


class Question(Generic[P, T]):
    """A function that has to know numbers of tensors: written as a generator that yields the tensors and is sent their numbers.

    Called, it reads for itself. `ask` starts it for `together`, which reads for several.
    """

    def __init__(self, ask: Callable[P, Asking[T]]):
        self.ask = ask
        update_wrapper(self, ask)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return together(self.ask(*args, **kwargs))[0]


def together(*asking: Asking[Any]) -> list[Any]:
    """The answers to several questions, with one read for what all of them want to know next: as many as the longest one takes."""
    answers: dict[int, Any] = {}
    wanted: dict[int, Sequence[Tensor]] = {}

    def go_on(place: int, numbers: list[Any] | None) -> None:
        try:
            wanted[place] = asking[place].send(numbers)  # type: ignore[arg-type]  # None starts it
        except StopIteration as done:
            answers[place] = done.value
            wanted.pop(place, None)

    for place in range(len(asking)):
        go_on(place, None)
    while wanted:
        found = iter(read([tensor for tensors in wanted.values() for tensor in tensors]))
        for place, tensors in list(wanted.items()):
            go_on(place, list(islice(found, len(tensors))))
    return [answers[place] for place in range(len(asking))]
