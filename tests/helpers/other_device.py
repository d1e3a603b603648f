"""A device without hardware: its tensors say that they lie on `other`, refuse plain ones, and are computed on the CPU.

What a GPU would refuse is seen without one: a tensor that was left behind, a kernel asked of the wrong memory. And each time that the host
has to wait for a GPU is counted: `reads` holds how often which operation brought numbers to the host, as `.item()`, `bool(tensor)`,
`.tolist()` and `.cpu()` do, or needed one to know the size of its result; `writes` how many tensors were copied to the device.

Built on torch's backend for out-of-tree devices. Its name can be taken once in a process and for good, hence `use`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "other"
DEVICE = torch.device("privateuseone", 0)  # which is called `other` from `use` on
aten = torch.ops.aten
reads: Counter[str] = Counter()
writes: Counter[str] = Counter()
_SIZED_BY_VALUES = {"nonzero", "masked_select", "_unique2", "unique_consecutive", "unique_dim", "bincount", "equal", "_local_scalar_dense"}
_MOVES = {"_to_copy", "copy_"}


class OnDevice(Tensor):
    """A tensor of the device around the one on the CPU that holds its values."""

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, host: Tensor) -> OnDevice:
        about = {"strides": host.stride(), "storage_offset": host.storage_offset(), "dtype": host.dtype}
        made = Tensor._make_wrapper_subclass(cls, host.size(), **about, device=DEVICE)
        made.host = host
        return made

    def tolist(self) -> Any:
        """As torch has it, but not for classes of other people."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        name, given = func._schema.name.removeprefix("aten::"), (args, kwargs or {})
        tensors = [value for value in pytree.tree_leaves(given) if isinstance(value, Tensor)]
        plain = [value for value in tensors if not isinstance(value, cls)]
        if name not in _MOVES and any(value.dim() for value in plain):  # a GPU takes a number that lies on the CPU
            raise RuntimeError(f"{func}: tensors of {DEVICE} and of the CPU, {[tuple(value.shape) for value in plain]}")
        if name in _SIZED_BY_VALUES or (name in ("index", "index_put_") and any(value.dtype == torch.bool for value in tensors[1:])):
            reads[name] += 1
        wrappers = {id(value.host): value for value in tensors if isinstance(value, cls)}
        hosts, own = pytree.tree_map_only(cls, lambda value: value.host, given)
        goes = torch.device(own.pop("device", None) or DEVICE)
        if name == "copy_":
            return _copied(args[1], args[0])
        found = func(*hosts, **own)
        if goes.type == "cpu":
            reads[name] += 1
            return found
        return pytree.tree_map_only(Tensor, lambda value: wrappers[id(value)] if id(value) in wrappers else cls(value), found)


class _Module(_DummyBackendModule):
    """What torch asks of `torch.other`."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def get_rng_state(self, device: int | str = NAME) -> Tensor:
        """It draws nothing of its own; `torch.random.fork_rng` asks every device that there is, in every later test of the process."""
        return torch.empty(0, dtype=torch.uint8)

    def set_rng_state(self, state: Tensor, device: int | str = NAME) -> None:
        """See `get_rng_state`."""


def _made(make: Any) -> Any:
    def on_device(*args: Any, **about: Any) -> OnDevice:
        return OnDevice(make(*args, **about | {"device": "cpu", "pin_memory": False}))

    return on_device


def _copied(source: Tensor, to: Tensor, non_blocking: bool = False) -> Tensor:
    """A tensor with the values of another, from or to the CPU or on the device."""
    kinds = [isinstance(one, OnDevice) for one in (source, to)]
    if kinds != [True, True]:
        (reads if kinds[0] else writes)["copy_"] += 1
    getattr(to, "host", to).copy_(getattr(source, "host", source))
    return to


def _set_up() -> list[torch.library.Library]:
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    library = torch.library.Library("aten", "IMPL")
    for name in ("empty.memory_format", "empty_strided", "arange.start_step"):
        packet, _, overload = name.partition(".")
        library.impl(name, _made(getattr(getattr(aten, packet), overload or "default")), "PrivateUse1")
    library.impl("_copy_from", _copied, "PrivateUse1")  # where torch copies beneath the classes of tensors: an index that is a list
    return [library]


_libraries: list[torch.library.Library] = []


@contextmanager
def use() -> Iterator[torch.device]:
    """The device, with both counts at 0."""
    if not _libraries:
        _libraries.extend(_set_up())
    reads.clear()
    writes.clear()
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # else `model.double()` leaves the values of the wrappers behind
    try:
        with torch.autograd.set_multithreading_enabled(False):  # a device that was unknown at the first backward pass has no thread
            yield DEVICE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)
