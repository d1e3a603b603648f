"""The runs of an ablation: every combination of values for some settings, on top of a base. Pure, plain data in and out, free of torch."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from .. import names, plugins, quotas
from ..config import PLUGIN_FIELDS, RunConfig, build
from ..errors import InputError
from . import plan, sparsity
from .relevance import is_relevant

MOST_CELLS = 500
MOST_SHAPES = 24  # of which each is estimated
SEED = "seed"
OPTION = "options."  # the name of a plug-in's parameter as an axis: options.rounds
_MOST_COMBINATIONS = 10_000
# Fields that affect neither the images of a run nor the work per image: runs that differ only in these cost the same.
_FREE = {
    *("seed", "lr", "momentum", "weight_decay", "lr_drops", "lr_gamma"),
    *("tau", "schedule", "scope", "densities", "granularity", "semantics", "prunable", "exempt"),
}
_FREE |= {"beta2", "label_smoothing", "lr_schedule", "lr_warmup"}
_FREE |= {"restore_best", "optimizer_state", "order", "flip", "reinit", "init", "subset_seed"}


def split(base: Mapping[str, Any], chosen: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """(base, axes) from values that users chose: a setting with one value belongs to the base, unless no setting has more."""
    axes = {name: list(values) for name, values in chosen.items() if len(values) > 1} or {name: list(chosen[name]) for name in chosen}
    return with_values(base, {name: values[0] for name, values in chosen.items() if name not in axes}), axes


def with_values(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The base with these values of settings, also those of plug-ins' parameters."""
    options = {name.removeprefix(OPTION): value for name, value in values.items() if name.startswith(OPTION)}
    found = {**base, **{name: value for name, value in values.items() if not name.startswith(OPTION)}}
    return {**found, "options": {**found.get("options", {}), **options}} if options else found


def expand(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]], picks: Sequence[Sequence[int]] | None = None) -> dict[str, Any]:
    """{"cells": [{"values", "config", "fingerprint", "as_typed"}], "left_out": [{"values", "reason"}]}: all combinations, or the `picks`.

    A pick says for each axis but the seed which of its values is taken, by place; all of them are run with all seeds. The base is completed
    first, so cells differ from it only in the axes. Where a setting has no effect (the pruner of a dense run) the combinations that differ
    only in it are one cell, whose value for it is None. Paths are made absolute; `as_typed` is the fingerprint without that, which runs of
    earlier versions have. InputError when there are too many.
    """
    count = math.prod(len(values) for values in axes.values()) if picks is None else len(picks) * len(axes.get(SEED, [None]))
    if count > _MOST_COMBINATIONS:
        raise InputError(f"{count:,} combinations are too many; choose fewer values", "axes")
    complete = build(dict(base)).model_dump(mode="json")
    cells: dict[str, dict[str, Any]] = {}
    left_out = []
    for values in _combinations(axes, picks):
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


def check_some(found: Mapping[str, Any]) -> None:
    """InputError where an expansion has no run, with the reason."""
    if not found["cells"]:
        reason = found["left_out"][0]["reason"] if found["left_out"] else "choose values for at least one setting"
        raise InputError(f"nothing to run: {reason}", "axes")


def _combinations(axes: Mapping[str, Sequence[Any]], picks: Sequence[Sequence[int]] | None) -> Iterable[dict[str, Any]]:
    if picks is None:
        return (dict(zip(axes, chosen)) for chosen in itertools.product(*axes.values()))
    others = [name for name in axes if name != SEED]
    drawn = [{name: axes[name][place] for name, place in zip(others, pick, strict=True)} for pick in picks]
    return ({name: {**one, SEED: seed}[name] for name in axes} for one in drawn for seed in axes.get(SEED, [None]))


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


def menu(name: str, base: Mapping[str, Any]) -> list[Any] | None:
    """All values that a setting can take; None for numbers and lists, which cannot be enumerated."""
    if name.startswith(OPTION):
        spec = all_options().get(name.removeprefix(OPTION), {})
        return list(spec["in"]) if "in" in spec else [False, True] if isinstance(spec.get("default"), bool) else None
    annotation = RunConfig.model_fields[name].annotation
    if name == "granularity":
        return list(dict.fromkeys([base[name], *quotas.GRANULARITIES]))
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


def cost(cells: Sequence[Mapping[str, Any]], estimate: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any] | None:
    """What runs cost together: {"samples", "training_flops", "seconds" (None: not known), "at_once": so many of them side by side,
    "timed": an estimate of one run}.

    Runs that cost the same are estimated once. None where there is nothing to run, or too many different shapes to estimate.
    """
    found = shapes(cells)
    if not 0 < len(found) <= MOST_SHAPES:
        return None
    parts = [(estimate(config), count) for config, count in found]
    total: dict[str, Any] = {name: sum(count * (part[name] or 0) for part, count in parts) for name in ("samples", "training_flops")}
    beside = [min(part.get("at_once", 1), len(cells)) for part, _ in parts]
    is_known = all(part["seconds"] is not None for part, _ in parts)
    seconds = sum(count * part["seconds"] / many for (part, count), many in zip(parts, beside)) if is_known else None
    return total | {"seconds": seconds, "at_once": max(beside), "timed": parts[-1][0]}


def counts_weights(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> bool:
    """Whether in all runs of an ablation tau leads to a share of weights (see quotas.counts_weights)."""
    scopes, maps = (axes.get(name, [base.get(name)]) for name in ("scope", "densities"))
    return all(quotas.counts_weights({"scope": scope, "densities": densities}) for scope in scopes for densities in maps)


def title(axes: Mapping[str, Sequence[Any]], *, of_weights: bool = True) -> str:
    """A title for an ablation from what it varies: pruner x final sparsity, 3 seeds. Without `of_weights` (see `counts_weights`) tau is
    called tau."""
    seeds = len(axes.get("seed", ()))
    known = {"tau": "final sparsity"} if of_weights else {}
    parts = [known.get(name, name.removeprefix(OPTION).replace("_", " ")) for name in axes if name != "seed"]
    text = " × ".join(parts) or "Seeds"
    return names.fitting(f"{text[0].upper()}{text[1:]}" + (f", {seeds} seeds" if seeds > 1 else ""))


def label(cell: Mapping[str, Any], fallback: str = "") -> str:
    """A run's title from its place in the ablation: SNIP, 90 % sparse, seed 1. `cell`: values, and the config where there is one."""
    values, of_weights = cell["values"], quotas.counts_weights(cell.get("config") or cell["values"])
    last_seed = sorted(values, key=lambda name: name == "seed")
    return names.fitting(", ".join(_named(name, values[name], of_weights) for name in last_seed if values[name] is not None)) or fallback


def _named(name: str, value: Any, of_weights: bool) -> str:
    """A value with its setting's name, unless the value is clear by itself."""
    if name == "tau" and of_weights:
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
