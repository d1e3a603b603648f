"""Registry of plug-ins: each file in a plug-in folder declares what it offers in literals that are read without importing it.

Reading the literals with `ast` keeps forms, plans and the command line free of torch; a plug-in is imported only when a run uses it.
Besides the folders of this package there may be two outside of it, with the kinds as sub-folders: the one that APPCORE_PLUGINS names, and
`plugins` beside app.py. Their files are imported as if they lay in the package, so `from .base import ...` works in them.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from . import files, plugin_files
from .errors import InputError

FOLDER_VARIABLE = "APPCORE_PLUGINS"
DEFAULT_LAUNCHER = "thread"
SIDE_BY_SIDE = "process"  # the launcher of many runs that do not wait for each other
_OFFERS = {  # kind: the functions that its files must have
    "datasets": ("describe", "load"),
    "models": ("build",),
    "pruners": ("scores",),
    "schedules": ("densities",),
    "methods": ("segments",),
    "launchers": ("start",),
    "lessons": ("lesson",),
}
KINDS = tuple(_OFFERS)
_ROOT = Path(__file__).parent
_INSIDE = {kind: kind for kind in KINDS} | {"launchers": "runner/launchers"}  # folders within the package


@dataclass(frozen=True)
class Choice:
    """One entry of a menu: `name` as users type it, `title` as shown, `module` as imported."""

    name: str
    title: str
    module: str
    literals: dict[str, Any]
    path: Path

    @property
    def takes_argument(self) -> bool:
        """True for names such as `images:` that are completed by the user (`images:PATH`)."""
        return self.name.endswith(":")

    @property
    def short(self) -> str:
        """The title in a word or two, for labels: from the file's LOOK, else the title without its explanation."""
        return self.literal("LOOK").get("short") or re.split(r" \(|, |:", self.title)[0]

    def literal(self, variable: str) -> Any:
        """The entry for this choice in a literal dict of its file, e.g. RECIPE[name]; empty when the file has none."""
        return self.literals.get(variable, {}).get(self.name, {})

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Parameters of the plug-in: {name: {"default": ..., "ge": ..., "le": ..., "help": ...}}."""
        return self.literals.get("OPTIONS", {})


def folders() -> tuple[Path, ...]:
    """The folders outside of the package that plug-ins are also taken from."""
    named, beside = os.environ.get(FOLDER_VARIABLE), _beside()
    found = [Path(named).absolute()] if named else []
    return (*found, *(folder for folder in beside if folder not in found))


@cache  # asked for some fifty times in each drawing of a page
def _beside() -> tuple[Path, ...]:
    folder = _ROOT.parent / "plugins"
    return (folder,) if (_ROOT.parent / "app.py").exists() and folder.is_dir() else ()


def choices(kind: str) -> dict[str, Choice]:
    """All choices of a kind by name: of the package, then of each folder outside, by file and then in the file's own order."""
    return _read(kind, folders())[0]


def problems() -> list[str]:
    """A line for each file that was left out, and for each file or folder in a wrong place."""
    outside = folders()
    return [problem for place in outside for problem in _misplaced(place)] + [line for kind in KINDS for line in _read(kind, outside)[1]]


@cache
def _read(kind: str, outside: tuple[Path, ...]) -> tuple[dict[str, Choice], list[str]]:
    found: dict[str, Choice] = {}
    wrong: list[str] = []
    seen = {"base": _ROOT / _INSIDE[kind] / "base.py"}  # the contract, which is no plug-in
    for path in _sources((_ROOT / _INSIDE[kind], *(place / kind for place in outside)), wrong):
        if path.stem == "__init__" or path == seen.get(path.stem):
            continue
        try:
            offered = _offered(kind, path, seen, found)
        except ValueError as error:
            if getattr(error, "is_passing", False):
                raise  # and look again the next time
            wrong.append(f"the plug-in {path} was left out: {error}")
        else:
            found |= offered
            seen[path.stem] = path
    return found, wrong


def _sources(places: Iterable[Path], wrong: list[str]) -> Iterator[Path]:
    """The Python files of folders, by name; a folder that may not be listed is said."""
    for folder in places:
        try:
            yield from [path for path in files.listed(folder) if path.suffix == ".py"]
        except files.UnreadableError as error:
            if error.is_passing:
                raise
            wrong.append(f"the plug-ins in {folder} were left out: {error}")


def _offered(kind: str, path: Path, seen: dict[str, Path], found: dict[str, Choice]) -> dict[str, Choice]:
    """The choices of one file; ValueError where they conflict with those found before."""
    if path.stem in seen or "." in path.stem:
        raise ValueError(f"{seen[path.stem]} has its name; rename it" if path.stem in seen else "its name has a dot; rename it")
    literals = plugin_files.literals(path)
    offered = literals.get("CHOICES", {})
    for name in offered:
        if name in found:
            raise ValueError(f"{found[name].path} offers {name!r} already; choose another name in CHOICES")
    module = f"{__package__}.{_INSIDE[kind].replace('/', '.')}.{path.stem}"
    return {name: Choice(name, title, module, literals, path) for name, title in offered.items()}


@cache
def _misplaced(place: Path) -> list[str]:
    """Files and folders in places that are not searched for plug-ins."""
    try:
        if not place.is_dir():
            return [f"{FOLDER_VARIABLE}: there is no folder {place}; make it, or name another one"]
        names = [p.name for p in files.listed(place) if (p.is_dir() and p.name not in KINDS and p.name[0] not in "._") or p.suffix == ".py"]
    except (OSError, files.UnreadableError) as error:
        found = error if isinstance(error, files.UnreadableError) else files.UnreadableError(place, error)
        if found.is_passing:
            raise found from error
        return [found.message]
    return [f"{place / name} is not looked at: plug-ins lie in the sub-folders {', '.join(KINDS)}" for name in names]


def find(kind: str, name: str) -> Choice:
    """The choice that `name` selects (`images:some/path` selects `images:`); ValueError lists the valid ones."""
    known = choices(kind)
    head, colon, argument = name.partition(":")
    if colon and argument and head + colon in known:
        return known[head + colon]
    if name in known and not known[name].takes_argument:
        return known[name]
    listed = ", ".join(f"{c.name}..." if c.takes_argument else c.name for c in known.values())
    raise ValueError(f"unknown name {name!r}; choose one of {listed}")


def load(kind: str, name: str) -> ModuleType:
    """Import the file behind a choice; InputError where one from outside the package fails to import or lacks a function."""
    choice = find(kind, name)
    if _ROOT in choice.path.parents:
        return importlib.import_module(choice.module)
    package = importlib.import_module(choice.module.rpartition(".")[0])
    if str(choice.path.parent) not in package.__path__:
        package.__path__.append(str(choice.path.parent))
    try:
        module = importlib.import_module(choice.module)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InputError(f"the plug-in {choice.path} cannot be imported ({reason}); mend it, or choose another than {name}") from error
    missing = [offer for offer in _OFFERS[kind] if not callable(getattr(module, offer, None))]
    if missing:
        raise InputError(f"the plug-in {choice.path} has no function {missing[0]}, which its kind needs; see {kind}/base.py")
    return module


# ---- how runs are named and drawn; a plug-in that no longer exists is treated as an ordinary one


def short(kind: str, name: str) -> str:
    """A choice in a word or two: SNIP, ResNet-20; the last part of what the user completed, e.g. of `images:PATH`."""
    known = choices(kind)
    return known[name].short if name in known else name.rpartition("/")[2].partition("@")[0] or name


def declares(kind: str, name: str, variable: str) -> bool:
    """Whether the file behind a choice says `variable = True`."""
    try:
        return find(kind, name).literals.get(variable) is True
    except ValueError:
        return False


def prunes(method: str) -> bool:
    """Whether a method prunes at all: not where its file says PRUNES = False."""
    known = choices("methods")
    return method not in known or known[method].literals.get("PRUNES", True)


def has_pruner(method: str) -> bool:
    """Whether a pruner decides what a method prunes: not where it prunes nothing or finds its own masks (IS_STEERED = True)."""
    known = choices("methods")
    return prunes(method) and not (method in known and known[method].literals.get("IS_STEERED", False))


def is_chaotic(config: Mapping[str, Any]) -> bool:
    """Whether a run's masks hinge on rounding (CHAOTIC in its pruner's file): their overlap with others then tells nothing of the runs."""
    choice = choices("pruners").get(config["pruner"]) if has_pruner(config["method"]) else None
    rounds = choice.literal("CHAOTIC") if choice else ""
    return bool(choice and rounds and config["options"].get(rounds, choice.options[rounds]["default"]) > 1)


def method_and_pruner(method: str, pruner: str) -> str:
    """Method and pruner as users type them: "app snip", or "dense" alone."""
    return f"{method} {pruner}" if has_pruner(method) else method


def changed() -> tuple[int, ...]:
    """When the plug-ins were changed last: of a process that is kept, whether one that was edited since would take effect there."""
    found = {choice.path for kind in KINDS for choice in choices(kind).values()}
    return tuple(path.stat().st_mtime_ns for path in sorted(found) if path.exists())
