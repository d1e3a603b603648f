"""What data sets, networks, methods and criteria are called on every page, in every figure and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from . import plugins

_KINDS = ("methods", "pruners", "models", "datasets")  # a schedule is told by its name, since its title is a formula


def display(value: Any) -> str:
    """A value of a setting as people read it: resnet20 -> ResNet-20, snip -> SNIP, images:a/b.zip -> b.zip, 4.50 -> 4.5, True -> yes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    name = str(value)
    head, colon, argument = name.partition(":")
    for kind in _KINDS:
        known = plugins.choices(kind)
        if name in known:
            return known[name].short
        if colon and head + colon in known:
            return argument.rstrip("/").rpartition("/")[2] or argument  # a path is told by its last part
    return name


def apart(values: Iterable[str]) -> dict[str, str]:
    """{value: how it is displayed} for the options of a menu; of values that look alike each keeps all of its name."""
    names = {value: display(value) for value in values}
    often = Counter(names.values())
    return {value: name if often[name] == 1 else value for value, name in names.items()}


def method_and_pruner(method: str, pruner: str) -> str:
    """APP · SNIP; the method alone where no criterion plays a part."""
    return f"{display(method)} · {display(pruner)}" if plugins.has_pruner(method) and pruner else display(method)
