"""A network of one's own from a Python file, as `file:PATH.py:FACTORY`, without touching the package.

FACTORY is a function or class of the file. It is called with what its parameters name of `shape` ((channels, height, width) of the
images), `channels`, `classes` and `num_classes`, and gives a torch.nn.Module with one output for each class. The file is a program: see
own_code.py for who may have it run. It can import whatever is installed, but not the files beside it: a run keeps a copy of this one alone.
See constructed.py for initial values, and for dropout, which is left out. Pooling and activations had better be modules.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ..errors import InputError
from . import own_code
from .constructed import fit

CHOICES = {"file:": "Your own network (Python file)"}
FOREIGN = True


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network that the factory gives for these images; InputError, with the line of the file, where it fails."""
    code, place = own_code.code(name)
    source = own_code.parse(name)
    make = _said(source, place, lambda: getattr(_module(code, place), source.factory))
    offered: dict[str, Any] = {"shape": tuple(shape), "channels": shape[0], "classes": classes, "num_classes": classes}
    given = {parameter: offered[parameter] for parameter in _parameters(source, make) if parameter in offered}
    return _said(source, place, lambda: fit(partial(_network, source, partial(make, **given))))


def _parameters(source: own_code.Source, make: Callable[..., Any]) -> list[str]:
    """Names of the factory's parameters; InputError for one that nobody has a value for."""
    if not callable(make):
        raise _refuse(source, "is no function and no class; name one that builds the network")
    named = [one for one in inspect.signature(make).parameters.values() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    for one in named:
        if one.default is one.empty and one.name not in ("shape", "channels", "classes", "num_classes"):
            given = "shape, channels and classes (or num_classes)"
            raise _refuse(source, f"wants {one.name!r} and is given {given}; give {one.name} a default")
    return [one.name for one in named]


def _network(source: own_code.Source, make: Callable[[], Any]) -> nn.Module:
    model = make()
    if not isinstance(model, nn.Module):
        raise _refuse(source, f"gives a {type(model).__name__}; let it return a torch.nn.Module")
    return model


@lru_cache(maxsize=32)
def _module(code: bytes, place: Path) -> ModuleType:
    """The file, run once in this process."""
    module = ModuleType(f"appcore_own_{place.stem}")
    module.__file__ = str(place)
    sys.modules[module.__name__] = module  # dataclasses and pickles look their classes up there
    try:
        exec(compile(code, str(place), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _said(source: own_code.Source, place: Path, ask: Callable[[], Any]) -> Any:
    """The answer; whatever the file raises becomes one line with its place in the file."""
    try:
        return ask()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(place)]
        where = f"line {lines[-1]}: " if lines else ""
        remedy = "mend the file, and allow it again"
        if isinstance(error, ModuleNotFoundError):
            remedy = f"install {error.name}, or put what you need of it into this one file"
        raise _refuse(source, f"fails ({where}{type(error).__name__}: {own_code.shown(' '.join(str(error).split()))}); {remedy}") from error


def _refuse(source: own_code.Source, problem: str) -> InputError:
    return InputError(f"arch: {source.words} {problem}", "arch")
