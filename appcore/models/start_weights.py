"""Weights that a run begins with, from a safetensors file: by name, each in its shape; what the file lacks keeps the values of the seed.

A run names the file with the digest of its content (`PATH@DIGEST`), so that it begins and goes on with the same values or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import safetensors
import safetensors.torch
import torch
from torch import nn

from .. import files, limits
from ..config import file_of_weights
from ..errors import InputError

_SAID = 3  # names in a message


def check(model: nn.Module, weights: str) -> None:
    """InputError where a network cannot begin with the file; only names and shapes are read."""
    limits.load().check_place(str(file_of_weights(weights)[0]), "weights")
    path, digest = file_of_weights(weights)
    _check_digest(path.name, digest, files.digest_of(path, "weights"))
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118, it is no dict
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path.name, error) from error
    _match(model, path.name, shapes)


@torch.no_grad()
def put(model: nn.Module, weights: str) -> str:
    """Give a network the values of the file, in place, in its own dtypes; a remark on what came from where."""
    limits.load().check_place(str(file_of_weights(weights)[0]), "weights")
    path, digest = file_of_weights(weights)
    _check_digest(path.name, digest, files.digest_of(path, "weights"))
    try:
        tensors = safetensors.torch.load(files.read(path))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path.name, error) from error
    missing = _match(model, path.name, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    state = model.state_dict()
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            problem = f"{name} of {path.name} holds values that are not finite"
            raise InputError(f"weights: {problem}; give the weights of a training that did not diverge", "weights")
        state[name].copy_(tensor)
    rest = f"; drawn by the seed: {_named(missing)}" if missing else ""
    return f"began with {len(tensors)} of {len(state)} tensors from {path.name}{rest}"


def _match(model: nn.Module, file: str, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Names that only the network has; InputError for names that only the file has, and for other shapes."""
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if unknown := [name for name in shapes if name not in own]:
        where = "no tensor of the network is called so" if len(unknown) < len(shapes) else "it is of another network"
        raise InputError(f"weights: {file} has {_named(unknown)}, and {where}; the network has {_named(list(own))}", "weights")
    for name, shape in shapes.items():
        if shape != own[name]:
            problem = f"{name} is {list(shape)} in {file} and {list(own[name])} in the network"
            remedy = "leave it out of the file to have it drawn by the seed, or choose another network"
            raise InputError(f"weights: {problem}; {remedy}", "weights")
    if not shapes:
        raise InputError(f"weights: {file} holds no tensors; give another file", "weights")
    return [name for name in own if name not in shapes]


def _check_digest(file: str, then: str, now: str) -> None:
    if then and now[: len(then)] != then:
        problem = f"{file} has changed since the run was set up, and a run begins with one set of weights"
        raise InputError(f"weights: {problem}; put the file back, or name it without @{then} for a new run", "weights")


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_SAID]) + (f" and {len(names) - _SAID} more" if len(names) > _SAID else "")


def _unreadable(file: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(f"weights: {file} cannot be read as safetensors ({reason}); write it with safetensors.torch.save_file", "weights")
