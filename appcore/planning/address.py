"""The form in the address: a preset and what differs from it, so that a reload, the back button and a copied link show the same form.

/run?preset=lottery-lenet-small&sparsity=90&seed=3&options.control=reinit. Every setting may be named, also without a preset. A preset of
one's own is an address that was kept under a name: all its settings, and no preset of the program, which may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter, ValidationError

from .. import plugins
from ..config import PLUGIN_FIELDS, RunConfig, check_option
from ..errors import InputError
from ..presets import PRESETS
from . import sparsity
from .ablation_grid import OPTION

USUAL = next(iter(PRESETS))
LAUNCHER, FROM, SPARSITY = "launcher", "from", "sparsity"
_OTHERS = {"preset", SPARSITY, LAUNCHER, FROM, "run", "projector"}  # what the address may hold besides settings
_NONE = "none"  # an empty list
Own = Mapping[str, Mapping[str, Sequence[str]]]  # presets of a user: {name: {parameter of the address: its values}}
NONE_OWN: Own = MappingProxyType({})


def of_preset(preset: str, own: Own = NONE_OWN) -> tuple[dict[str, Any], list[str]]:
    """(settings, a line for each that cannot be used now) of a preset: one of the user's own, or one that comes with the program."""
    if preset not in own:
        return dict(PRESETS[preset].settings), []
    _, found, bad = read({name: texts[-1] for name, texts in own[preset].items() if texts and name != "preset"})
    return found, [f"preset {preset!r}: {line}" for line in bad]


def written(settings: Mapping[str, Any], preset: str = USUAL, own: Own = NONE_OWN) -> dict[str, str]:
    """The address of a form with these settings: what differs from the preset, and the preset where it is not the usual one."""
    base, shown = of_preset(preset, own)[0], effective(settings)
    names = [name for name in RunConfig.model_fields if name != "options" and (name in settings or name in base)]
    found = {"preset": preset} if preset != USUAL else {}
    found |= dict(_text(name, shown[name]) for name in names if name not in base or _plain(base[name]) != _plain(shown[name]))
    mine, usual = settings.get("options", {}), base.get("options", {})
    known = options(shown)
    for name in {**usual, **mine}:
        value = mine.get(name, known.get(name, {}).get("default"))
        if value is not None and value != usual.get(name):
            found[OPTION + name] = _words(value)
    return found


def of_run(config: Mapping[str, Any]) -> dict[str, str]:
    """The address of a form with the recorded settings of a run, from the preset that is nearest to them."""
    return dict(_of_text(json.dumps(config, sort_keys=True)))


@lru_cache(maxsize=64)
def _of_text(text: str) -> dict[str, str]:
    """Remembered, because every page about a run has the link, and all presets are tried for it."""
    config = json.loads(text)
    usual = RunConfig().model_dump()
    chosen = {name: config[name] for name in ("dataset", "method") if config.get(name, usual[name]) != usual[name]}
    recipe = effective(chosen)
    given = chosen | {name: value for name, value in config.items() if name in recipe and _plain(value) != _plain(recipe[name])}
    return min((written(given, preset) for preset in PRESETS), key=len)


def read(query: Mapping[str, str], own: Own = NONE_OWN) -> tuple[str, dict[str, Any], list[str]]:
    """(preset, settings, a line for each entry that cannot be used) of an address."""
    preset = query.get("preset", USUAL)
    unknown = [] if preset in own or preset in PRESETS else [f"preset: unknown name {preset[:40]!r}; choose one above"]
    preset = USUAL if unknown else preset
    found, bad = of_preset(preset, own)
    bad = unknown + bad
    for name, words in query.items():
        if (name in RunConfig.model_fields and name != "options") or name == SPARSITY:
            try:
                found |= {"tau": sparsity.tau_of(sparsity.read(words))} if name == SPARSITY else {name: _value(name, words)}
            except InputError as error:
                bad.append(error.message)
        elif name not in _OTHERS and not name.startswith((OPTION, "embed")):
            bad.append(f"{name[:40]!r} is no setting")
    known, given = options(effective(found)), {name: words for name, words in query.items() if name.startswith(OPTION)}
    chosen = {name: value for name, value in found.pop("options", {}).items() if name in known}  # of a preset whose method was replaced
    for name, words in given.items():
        try:
            chosen[name.removeprefix(OPTION)] = _option(name, words, known)
        except ValueError as error:
            bad.append(str(error))
    return preset, found | ({"options": chosen} if chosen else {}), bad


def effective(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting's value: of the configuration, or while that is invalid of the recipe with the user's own values on top."""
    try:
        return RunConfig(**settings).model_dump()
    except ValidationError:
        dataset, method = settings.get("dataset", ""), settings.get("method", "")
        try:
            recipe = RunConfig(**{name: value for name, value in (("dataset", dataset), ("method", method)) if value}).model_dump()
        except ValidationError:
            recipe = RunConfig().model_dump()
        return {**recipe, **settings}


def options(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of the chosen plug-ins."""
    found: dict[str, dict[str, Any]] = {}
    for field, kind in PLUGIN_FIELDS.items():
        choice = plugins.choices(kind).get(str(values[field]))
        found |= choice.options if choice else {}
    return found


def _text(name: str, value: Any) -> tuple[str, str]:
    if name == "tau" and sparsity.tau_of(sparsity.percent(sparsity.of_tau(value)) / 100) == value:
        return SPARSITY, f"{sparsity.percent(sparsity.of_tau(value)):g}"
    return name, _words(value)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(_words(part) for part in value) or _NONE
    return repr(value) if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@cache
def _reader(name: str) -> TypeAdapter[Any]:
    field = RunConfig.model_fields[name]
    kind: Any = field.annotation
    for limit in field.metadata:
        kind = Annotated[kind, limit]
    return TypeAdapter(kind)


def _value(name: str, words: str) -> Any:
    """The value of a setting; InputError where its field could not show it."""
    if name in PLUGIN_FIELDS:
        if not any(words == known or (known.endswith(":") and words.startswith(known)) for known in plugins.choices(PLUGIN_FIELDS[name])):
            raise InputError(f"{name}: unknown name {words[:40]!r}; choose one below", name)
        return words
    parts = [part.strip() for part in words.split(",") if part.strip() and part.strip() != _NONE]
    try:
        return _reader(name).validate_python(parts if get_origin(RunConfig.model_fields[name].annotation) is tuple else words)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise InputError(f"{name}: {words[:40]!r} is not possible: {problem[0].lower()}{problem[1:]}", name) from None


def _option(name: str, words: str, known: Mapping[str, Mapping[str, Any]]) -> Any:
    short = name.removeprefix(OPTION)
    if short not in known:
        raise InputError(f"{name[:60]!r} is no parameter of the chosen method and pruner", "options")
    kind = type(known[short]["default"])
    try:
        value = TypeAdapter(kind).validate_python(words)
    except ValidationError:
        raise InputError(f"{name}: {words[:40]!r} is not possible; give for example {known[short]['default']!r}", "options") from None
    check_option(short, value, dict(known[short]))
    return value
