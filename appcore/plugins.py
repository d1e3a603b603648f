"""A folder is a registry: each file of a plug-in folder names what it offers in literals that are read without importing it.

Reading the literals with `ast` keeps forms, plans and the command line free of torch; a plug-in is imported only when a run uses it.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

KINDS = ("datasets", "models", "pruners", "schedules", "methods")
_ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Choice:
    """One entry of a menu: `name` as typed by people, `title` as shown, `module` as imported."""

    name: str
    title: str
    module: str
    literals: dict[str, Any]

    @property
    def takes_argument(self) -> bool:
        """True for names such as `images:` that are completed by the user (`images:PATH`)."""
        return self.name.endswith(":")

    def literal(self, variable: str) -> Any:
        """The entry for this choice in a literal dict of its file, e.g. RECIPE[name]; empty when the file has none."""
        return self.literals.get(variable, {}).get(self.name, {})

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Parameters of the plug-in: {name: {"default": ..., "ge": ..., "le": ..., "help": ...}}."""
        return self.literals.get("OPTIONS", {})


def _literals(path: Path) -> dict[str, Any]:
    """Every module-level `NAME = <literal dict>` of a file."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


@cache
def choices(kind: str) -> dict[str, Choice]:
    """All choices of a kind by name, in alphabetical order of file and then in the file's own order."""
    found: dict[str, Choice] = {}
    for path in sorted((_ROOT / kind).glob("*.py")):
        if path.stem in {"__init__", "base"}:
            continue
        literals = _literals(path)
        for name, title in literals.get("CHOICES", {}).items():
            if name in found:
                raise ValueError(f"two files of appcore/{kind} offer {name!r}: {found[name].module} and {path.stem}")
            found[name] = Choice(name, title, f"appcore.{kind}.{path.stem}", literals)
    return found


def find(kind: str, name: str) -> Choice:
    """The choice that `name` selects (`images:some/path` selects `images:`); ValueError names the good ones."""
    known = choices(kind)
    head, colon, argument = name.partition(":")
    if colon and argument and head + colon in known:
        return known[head + colon]
    if name in known and not known[name].takes_argument:
        return known[name]
    listed = ", ".join(f"{c.name}..." if c.takes_argument else c.name for c in known.values())
    raise ValueError(f"unknown name {name!r}; choose one of {listed}")


def load(kind: str, name: str) -> ModuleType:
    """Import the file behind a choice."""
    return importlib.import_module(find(kind, name).module)
