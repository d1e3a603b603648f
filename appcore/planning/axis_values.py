"""Values of settings as users type them to vary them: lists, whole numbers from-to, numbers at equal distances, ranges to draw from."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from .. import plugins
from ..config import PLUGIN_FIELDS, RunConfig, check_option, problems
from ..errors import InputError
from . import sparsity
from .ablation_grid import MOST_CELLS, OPTION, all_options

SPARSITY = "sparsity"  # how users choose tau: the removed share, as a fraction
_RANGE = re.compile(r"([^:]+):([^:]+?)(?::([0-9]+))?(:log)?")
_FROM_TO = re.compile(r"([0-9]+)\s*(?:-|–|\.\.|to)\s*([0-9]+)")
_YES_NO = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high` to draw from; `is_log`: by equal ratios rather than equal differences. `value`: the setting of one."""

    low: float
    high: float
    is_log: bool
    is_whole: bool = False
    value: Callable[[float], Any] = lambda number: number


def parse(name: str, text: str) -> list[Any]:
    """Values of a setting: "1, 2.5, 4"; whole numbers also as "0-4"; "0.1:0.5:3", from, to and how many, at equal distances, or ":log" at
    equal ratios; lists of values divided by ";", or "none". InputError for what is none, or what no run could have."""
    if name == SPARSITY:
        return _taus(text)
    kind = _kind(name)
    is_list = get_origin(kind) is tuple
    parts = [part.strip() for part in text.split(";" if is_list else ",")]
    if is_list:
        read = str if get_args(kind)[0] is str else lambda item: _number(name, item, float)
        return [tuple(read(item.strip()) for item in part.split(",") if item.strip() and part != "none") for part in parts if part]
    return list(dict.fromkeys(value for part in parts if part for value in _values(name, part, kind)))


def span(name: str, text: str) -> Span | None:
    """The range to draw from that a text means, "0.01:0.1" or "0.01:0.1:log"; None where it is a list of values."""
    kind = float if name == SPARSITY else _kind(name)
    found = _range(name, text.strip(), kind) if kind in (int, float) else None
    if found is None or found[2] is not None:
        return None
    low, high, _, is_log = found
    if name != SPARSITY:
        for end in (low, high):
            check(name, end)
        return Span(low, high, is_log, is_whole=kind is int)
    for end in (low, high):
        sparsity.tau_of(end)
    return Span(1 - high, 1 - low, is_log, value=lambda density: sparsity.tau_of(1 - density))


def check(name: str, value: Any) -> None:
    """InputError for a value that no run could have, whatever its other settings are."""
    try:
        if name.startswith(OPTION):
            check_option(name.removeprefix(OPTION), value, all_options()[name.removeprefix(OPTION)])
        elif name in PLUGIN_FIELDS:
            plugins.find(PLUGIN_FIELDS[name], value)
        else:
            RunConfig(**{name: value})
    except ValidationError as error:
        if any(item["loc"] for item in error.errors()):  # else it is a matter of several settings
            found = problems(error)[0]
            raise InputError(found.message, found.field) from None
    except ValueError as error:
        text = str(error)
        raise InputError(text if text.startswith("options: ") else f"{name}: {text}", name) from None


def _kind(name: str) -> Any:
    """The type of a setting's values."""
    if name in RunConfig.model_fields:
        return RunConfig.model_fields[name].annotation
    option = all_options().get(name.removeprefix(OPTION))
    if option is None:
        raise InputError(f"{name}: unknown name; parameters of plug-ins are {', '.join(all_options())}", "options")
    return type(option["default"])


def _values(name: str, part: str, kind: Any) -> list[Any]:
    if kind is bool:
        if part.lower() not in _YES_NO:
            raise InputError(f"{name}: {part[:40]!r} is neither yes nor no", name)
        return [_YES_NO[part.lower()]]
    if kind not in (int, float):
        return [part]
    if kind is int and (found := _FROM_TO.fullmatch(part)):
        low, high = (_number(name, end, int) for end in found.groups())
        if high - low >= MOST_CELLS:
            raise InputError(f"{name}: {part} are {high - low + 1:,} values; choose at most {MOST_CELLS}", name)
        return list(range(int(low), int(high) + 1))
    spaced = _range(name, part, kind)
    return [_number(name, part, kind)] if spaced is None else _spaced(name, part, *spaced, is_whole=kind is int)


def _taus(text: str) -> list[float]:
    """The taus of sparsities; with ":log" at equal ratios of what is kept, which are equal distances of tau."""
    found: list[float] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        spaced = _range(SPARSITY, part, float)
        if spaced is None:
            found.append(_number(SPARSITY, part, float))
        elif spaced[3]:
            low, high, count, _ = spaced
            sparsity.tau_of(high)
            found += [1 - density for density in reversed(_spaced(SPARSITY, part, 1 - high, 1 - low, count, True, is_whole=False))]
        else:
            found += _spaced(SPARSITY, part, *spaced, is_whole=False)
    return list(dict.fromkeys(sparsity.tau_of(round(value, 12)) for value in found))


def _range(name: str, text: str, kind: type) -> tuple[float, float, int | None, bool] | None:
    """(low, high, number of values if given, whether by ratios) of "low:high:count:log"; None for anything else."""
    found = _RANGE.fullmatch(text)
    if not found:
        return None
    low, high = (_number(name, end.strip(), kind) for end in found.groups()[:2])
    is_log = bool(found[4])
    if not low < high or (is_log and low <= 0):
        raise InputError(f"{name}: {text[:40]!r} must rise{', from above 0' if is_log else ''}; write for example 0.01:0.1:5", name)
    return low, high, int(found[3][:9]) if found[3] else None, is_log


def _spaced(name: str, part: str, low: float, high: float, count: int | None, is_log: bool, *, is_whole: bool) -> list[Any]:
    if count is None:
        raise InputError(f"{name}: {part[:40]!r} does not say how many values; write for example {part[:40]}:5", name)
    if not 2 <= count <= MOST_CELLS:
        raise InputError(f"{name}: {part[:40]!r} asks for {count} values; choose 2 to {MOST_CELLS}", name)
    shares = [place / (count - 1) for place in range(count)]
    numbers = [low * (high / low) ** share if is_log else low + (high - low) * share for share in shares]
    return [round(number) if is_whole else float(f"{number:.10g}") for number in numbers]


def _number(name: str, part: str, kind: type) -> float | int:
    try:
        value = kind(part)
        if math.isfinite(value):
            return value
    except (ValueError, OverflowError):
        pass
    example = "0, 1, 2 or 0-4" if kind is int else "1, 2.5, 4"
    raise InputError(f"{name}: {part[:40]!r} is no {'whole ' if kind is int else ''}number; write for example {example}", name)
