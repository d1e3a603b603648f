"""The runs of an ablation: every combination of values for some settings, on top of a base. Pure, plain data in and out, free of torch."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from .. import names, plugins
from ..config import PLUGIN_FIELDS, RunConfig, build
from ..errors import InputError
from . import plan, sparsity
from .relevance import is_relevant

MOST_CELLS = 500
OPTION = "options."  # the name of a plug-in's parameter as an axis: options.rounds
_MOST_COMBINATIONS = 10_000
# Fields that affect neither the images of a run nor the work per image: runs that differ only in these cost the same.
_FREE = {"seed", "lr", "momentum", "weight_decay", "lr_drops", "lr_gamma", "tau", "schedule", "scope", "semantics", "prunable", "exempt"}
_FREE |= {"restore_best", "optimizer_state", "order", "flip", "reinit", "init", "subset_seed"}


def expand(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """{"cells": [{"values", "config", "fingerprint", "as_typed"}], "left_out": [{"values", "reason"}]}: all combinations.

    The base is completed first, so cells differ from it only in the axes. Where a setting has no effect (the pruner of a dense run) the
    combinations that differ only in it are one cell, whose value for it is None. Paths are made absolute; `as_typed` is the fingerprint
    without that, which runs of earlier versions have. InputError when there are too many.
    """
    count = math.prod(len(values) for values in axes.values())
    if count > _MOST_COMBINATIONS:
        raise InputError(f"{count:,} combinations are too many; choose fewer values", "axes")
    complete = build(dict(base)).model_dump(mode="json")
    cells: dict[str, dict[str, Any]] = {}
    left_out = []
    for chosen in itertools.product(*axes.values()):
        values = dict(zip(axes, chosen))
        try:
            cell = _cell(complete, values)
        except InputError as error:
            left_out.append({"values": values, "reason": error.message})
            continue
        twin = cells.setdefault(cell["fingerprint"], cell)
        if twin is not cell:
            idle = [name for name in values if cell["values"][name] is None]
            reason = f"{' and '.join(idle)} {'plays' if len(idle) == 1 else 'play'} no part here: the same run as another combination"
            left_out.append({"values": values, "reason": reason if idle else "the same run as another combination"})
    if len(cells) > MOST_CELLS:
        raise InputError(f"{len(cells):,} runs are too many for one ablation; choose values for at most {MOST_CELLS}", "axes")
    return {"cells": list(cells.values()), "left_out": left_out}


def _cell(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in values.items() if not name.startswith(OPTION)}
    config = {**base, **fields}
    known = known_options(config)
    wanted = {name.removeprefix(OPTION): value for name, value in values.items() if name.startswith(OPTION)}
    config["options"] = {name: value for name, value in {**base["options"], **wanted}.items() if name in known}
    config = build(config).model_dump(mode="json")
    shown = dict(values)
    for name in values:
        if name.startswith(OPTION):
            idle = name.removeprefix(OPTION) not in known
        else:
            idle = not is_relevant(name, config)
        if idle:
            shown[name] = None
    config |= {name: base[name] for name in fields if shown[name] is None}
    built = build(config)
    plan.check(built)
    kept = built.anchored()
    return {"values": shown, "config": kept.model_dump(mode="json"), "fingerprint": kept.fingerprint, "as_typed": built.fingerprint}


def known_options(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Parameters of the chosen plug-ins that have an effect."""
    found: dict[str, dict[str, Any]] = {}
    for field, kind in PLUGIN_FIELDS.items():
        try:
            if is_relevant(field, config):
                found.update(plugins.find(kind, config[field]).options)
        except ValueError:
            continue  # the field's own check names it
    return found


def parse(name: str, text: str) -> list[Any]:
    """Values of a setting as users type them: "1, 2.5, 4"; whole numbers also as "0-4"; lists of values divided by ";"."""
    annotation: Any = RunConfig.model_fields[name].annotation if name in RunConfig.model_fields else _kind_of_option(name)
    is_list = get_origin(annotation) is tuple
    parts = [part.strip() for part in text.split(";" if is_list else ",")]
    if is_list:
        read = str if get_args(annotation)[0] is str else lambda item: _number(name, item, float)
        return [tuple(read(item.strip()) for item in part.split(",") if item.strip()) for part in parts if part]
    found: list[Any] = []
    for part in filter(None, parts):
        span = re.fullmatch(r"(\d+)\s*(?:-|–|\.\.|to)\s*(\d+)", part)
        if span and annotation is int:
            low, high = int(span[1]), int(span[2])
            if high - low >= MOST_CELLS:
                raise InputError(f"{name}: {part} are {high - low + 1:,} values; choose at most {MOST_CELLS}", name)
            found += range(low, high + 1)
        else:
            found.append(_number(name, part, annotation))
    return list(dict.fromkeys(found))


def _number(name: str, part: str, kind: type) -> float | int:
    try:
        value = kind(part)
        if math.isfinite(value):
            return value
    except (ValueError, OverflowError):
        pass
    example = "0, 1, 2 or 0-4" if kind is int else "1, 2.5, 4"
    raise InputError(f"{name}: {part[:40]!r} is no {'whole ' if kind is int else ''}number; write for example {example}", name)


def _kind_of_option(name: str) -> type:
    return type(all_options()[name.removeprefix(OPTION)]["default"])


def menu(name: str, base: Mapping[str, Any]) -> list[Any] | None:
    """All values that a setting can take; None for numbers and lists, which cannot be enumerated."""
    if name.startswith(OPTION):
        spec = all_options().get(name.removeprefix(OPTION), {})
        return list(spec["in"]) if "in" in spec else [False, True] if isinstance(spec.get("default"), bool) else None
    annotation = RunConfig.model_fields[name].annotation
    if name in PLUGIN_FIELDS:
        known = [choice.name for choice in plugins.choices(PLUGIN_FIELDS[name]).values() if not choice.takes_argument]
        return known if base[name] in known else [base[name], *known]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [False, True] if annotation is bool else None


def all_options() -> dict[str, dict[str, Any]]:
    """Every parameter of every plug-in, by name."""
    found: dict[str, dict[str, Any]] = {}
    for kind in PLUGIN_FIELDS.values():
        for choice in plugins.choices(kind).values():
            for name, spec in choice.options.items():
                found.setdefault(name, spec)
    return found


def axis_names() -> list[str]:
    """Every setting that can be varied: fields of a run except those about the machine, then plug-in parameters."""
    fields = [name for name in RunConfig.model_fields if name not in ("options", "device")]
    return [*fields, *(OPTION + name for name in all_options())]


def shapes(cells: Sequence[Mapping[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """Pairs (one configuration, number of cells) for cells that cost the same, so that few estimates cover a whole ablation."""
    found: dict[str, list[Any]] = {}
    for cell in cells:
        key = json.dumps({name: value for name, value in cell["config"].items() if name not in _FREE}, sort_keys=True)
        found.setdefault(key, [cell["config"], 0])[1] += 1
    return [(config, count) for config, count in found.values()]


def title(axes: Mapping[str, Sequence[Any]]) -> str:
    """A title for an ablation from what it varies: pruner x tau, 3 seeds."""
    seeds = len(axes.get("seed", ()))
    parts = ["final sparsity" if name == "tau" else name.removeprefix(OPTION).replace("_", " ") for name in axes if name != "seed"]
    text = " × ".join(parts) or "Seeds"
    return f"{text[0].upper()}{text[1:]}" + (f", {seeds} seeds" if seeds > 1 else "")


def label(values: Mapping[str, Any], fallback: str = "") -> str:
    """A run's title from its place in the ablation: SNIP, 90 % sparse, seed 1."""
    last_seed = sorted(values, key=lambda name: name == "seed")
    return ", ".join(_named(name, values[name]) for name in last_seed if values[name] is not None) or fallback


def _named(name: str, value: Any) -> str:
    """A value with its setting's name, unless the value is clear by itself."""
    if name == "tau":
        return f"{sparsity.text(sparsity.of_tau(value))} sparse"
    word = "" if name in PLUGIN_FIELDS else f"{name.removeprefix(OPTION).replace('_', ' ')} "
    return f"{word}{names.display(value_text(value))}"


def value_text(value: Any) -> str:
    """A value of an axis as short text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "/".join(map(value_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
