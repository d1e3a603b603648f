"""RunConfig on the command line: a flag for every field, and settings from the flags that were given. Imports no torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from .. import plugins
from ..config import RunConfig
from ..config import group as group_of
from ..errors import InputError
from ..models import own_code
from ..planning import address, axis_values
from ..presets import PRESETS
from ..trackers import sink
from . import densities

_MENUS = {"arch": "models", "dataset": "datasets", "method": "methods", "pruner": "pruners", "schedule": "schedules"}


def add(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """A flag for each field of RunConfig, in the groups of the form; `several`: each takes several values, see `axes`."""
    recipes = "What is left out follows the recipe of the method and of the data set, and then the default in [brackets]."
    parser.usage, parser.epilog = "%(prog)s [--json] [SETTINGS]", _options()
    parser.description = f"{parser.description}. {recipes}"
    parser.add_argument("--preset", metavar="NAME", help=f"start from a named setting: {', '.join(PRESETS)}; or one of yours")
    launcher = plugins.SIDE_BY_SIDE if several else plugins.DEFAULT_LAUNCHER
    parser.add_argument("--launcher", default=launcher, metavar="NAME", help=_launchers(launcher))
    add_share(parser)
    add_log(parser)
    groups: dict[str, Any] = {}
    for name, field in RunConfig.model_fields.items():
        title = group_of(name)
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        group = groups[title]
        flag, text = f"--{name.replace('_', '-')}", _help(name, field)
        if name == "options":
            group.add_argument(
                "--option",
                action="append",
                metavar="NAME=VALUES" if several else "NAME=VALUE",
                help="parameter of a chosen plug-in, see below; may be repeated",
            )
        elif several:
            group.add_argument(flag, metavar="VALUES", help=text)
        elif field.annotation is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(flag, metavar=_metavar(name, field.annotation), help=text)
        if name == "tau":
            text = "instead of tau: the share of weights removed in the end, from 0 to below 1"
            group.add_argument(f"--{axis_values.SPARSITY}", metavar="VALUES" if several else "X", help=text)


def add_log(parser: argparse.ArgumentParser) -> None:
    """The flag --log of the verbs that train what users choose."""
    text = (
        f"tell the numbers of runs to a tracker as well: {', '.join(sink.NAMES)}; in a folder of its name beside the runs, or NAME:FOLDER"
    )
    parser.add_argument("--log", metavar="NAME", help=text)


def add_share(parser: argparse.ArgumentParser) -> None:
    """The flag --share of all verbs that train."""
    parser.add_argument("--share", action="store_true", help="do not wait for other programs that train on this machine; both get slower")


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """RunConfig fields given on the command line, on top of the preset's. InputError for a flag that cannot be read."""
    values = base(args)
    for name, field in RunConfig.model_fields.items():
        given = getattr(args, name, None)
        if given is not None:
            given = densities.expanded(given) if name == "densities" else given
            values[name] = [part for part in given.split(",") if part] if get_origin(field.annotation) is tuple else given
    if args.sparsity is not None:
        values["tau"] = _tau(args)
    if args.arch is not None:
        values["arch"] = own_code.allow(args.arch)  # typed by somebody who can run programs here anyway
    if args.option:
        values["options"] = {**values.get("options", {}), **dict(map(_option, args.option))}
    return values


def base(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of the preset. InputError for one that there is not, or a launcher."""
    settings = {} if args.preset is None else _of_preset(args.preset)
    launchers = plugins.choices("launchers")
    if args.launcher not in launchers:
        raise InputError(f"launcher: unknown name {args.launcher!r}; choose one of {', '.join(launchers)}", "launcher")
    return settings


def _of_preset(name: str) -> dict[str, Any]:
    """The settings of a preset of the program, or of one that was saved on the form by nobody who has signed in. InputError for one that
    there is not, or that says what cannot be had now."""
    from ..storage.store import Store

    if name in PRESETS:
        return dict(PRESETS[name].settings)
    store = Store()
    own = store.saved_presets.all() if store.exists() else {}
    if name not in own:
        raise InputError(f"preset: unknown name {name!r}; choose one of {', '.join([*PRESETS, *own])}", "preset")
    settings, problems = address.of_preset(name, own)
    if problems:
        raise InputError(f"{problems[0]}; save it anew on the page New run", "preset")
    return settings


def texts(args: argparse.Namespace) -> dict[str, str]:
    """The values given for each setting, as typed, by the name that `axis_values` reads them by, in the order of the form."""
    _check_one_way(args)
    as_given = {"tau": axis_values.SPARSITY} if args.sparsity is not None else {}
    names = [as_given.get(name, name) for name in RunConfig.model_fields if name != "options"]
    options = {axis_values.OPTION + name: text for name, text in map(_named, args.option or ())}
    found = {name: text for name in names if (text := getattr(args, name)) is not None}
    return found | {name: densities.expanded(found[name]) for name in ("densities",) if name in found} | options


def _check_one_way(args: argparse.Namespace) -> None:
    if args.sparsity is not None and args.tau is not None:
        raise InputError("sparsity: it is another way to say tau; give one of them", axis_values.SPARSITY)


def _tau(args: argparse.Namespace) -> float:
    """The tau of the one sparsity that was given."""
    _check_one_way(args)
    found = axis_values.parse(axis_values.SPARSITY, args.sparsity)
    if len(found) != 1:
        raise InputError(f"sparsity: {args.sparsity!r} is not one number; `sweep` takes several", axis_values.SPARSITY)
    return found[0]


def _help(name: str, field: Any) -> str:
    menu = f"; one of {', '.join(plugins.choices(_MENUS[name]))}" if name in _MENUS else ""
    menu = "; FILE.json takes them from a file, run:RUN from the masks of a run" if name == "densities" else menu
    return f"{field.description}{menu} [{_shown(field.default)}]".replace("%", "%%")


def _launchers(usual: str) -> str:
    listed = [f"{name} ({choice.title[0].lower()}{choice.title[1:]})" for name, choice in plugins.choices("launchers").items()]
    return f"where to train: {', '.join(listed)} [{usual}]".replace("%", "%%")


def _options() -> str:
    """Every plug-in parameter with its default."""
    found: dict[str, list[str]] = {}
    for kind in _MENUS.values():
        for name, choice in plugins.choices(kind).items():
            listed = ", ".join(f"{option}={about['default']}" for option, about in choice.options.items())
            if listed:
                found.setdefault(listed, []).append(name)
    lines = [f"{', '.join(names)}: {listed}" for listed, names in found.items()]
    return f"Parameters for --option: {'; '.join(lines)}.".replace("%", "%%")


def _metavar(name: str, annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    return {int: "N", float: "X", str: "NAME"}.get(annotation, "A,B,...")


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) or "none" if isinstance(default, tuple) else str(default)


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"option: {text!r} must look like NAME=VALUE, e.g. rounds=100", "options")
    return name, value


def _option(text: str) -> tuple[str, Any]:
    name, value = _named(text)
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):  # a word, or brackets without end
        return name, value


def path(text: str) -> str:
    """A path from the command line; an empty one, as of a shell variable that is not set, would mean the folder that one is in."""
    try:
        if text:
            return str(Path(text).expanduser())
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r} is in the home folder of nobody; give another path") from None
    raise argparse.ArgumentTypeError("the name is empty; give the path of a file or folder")


def file(text: str) -> str:
    """A file to read from the command line; a pipe or device could keep a reader waiting for ever."""
    found = Path(path(text))
    try:
        if found.exists() and not found.is_file():
            raise argparse.ArgumentTypeError(f"{text!r} is a folder, pipe or device; give the path of a file")
    except (OSError, ValueError):  # a name that no file can have: whoever opens it says so
        pass
    return str(found)
