"""Avoids the import of torch's compiler: nothing here uses it, and the import takes seconds at the start.

torch marks some functions as not to be compiled, among them methods of its optimizers and of its dispatch modes, and imports the compiler
at the first call of one to mark it. A mark that is there already is taken as it is (`torch._compile`); where another version of torch
does it otherwise, the import happens as before.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import FunctionType

import torch


def spare(*classes: type) -> None:
    """Let these classes be used without that import. Does nothing where the compiler is loaded already, because somebody uses it."""
    if "torch._dynamo" in sys.modules:
        return
    for function in [function for kind in classes for base in kind.__mro__ for function in vars(base).values()]:
        marked = getattr(function, "__wrapped__", None)
        if marked is not None and isinstance(function, FunctionType) and function.__code__.co_filename == torch._compile.__file__:
            marked.__dynamo_disable = marked


@torch.no_grad()
def step(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()` without what torch wraps around it: hooks, of which there are none here, and marks for the compiler."""
    _plain_step(type(optimizer))(optimizer)  # type: ignore[arg-type]  # mypy takes the class for one that cannot be hashed


@cache
def _plain_step(kind: type[torch.optim.Optimizer]) -> Callable[[torch.optim.Optimizer], None]:
    return inspect.unwrap(kind.step)
