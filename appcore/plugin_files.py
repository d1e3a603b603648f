"""The declarations of a plug-in file, read as literals without importing it; a mistake is a ValueError of one line."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from . import files

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = (
    *("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x", "triangle-down", "pentagon", "hourglass", "bowtie"),
    *("triangle-left", "triangle-right", "octagon", "hexagram", "star-diamond", "diamond-tall", "diamond-wide", "star-square"),
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,19}:?")
_LOOK = {  # the keys allowed in an entry of LOOK
    "short": re.compile(r".{1,40}"),
    "colour": re.compile(r"#[0-9A-Fa-f]{6}"),
    "dash": re.compile("|".join(DASHES) + r"|\d+px(,\d+px)*"),
    "symbol": re.compile("|".join(SYMBOLS)),
}


def literals(path: Path) -> dict[str, Any]:
    """Every module-level `NAME = <literal>` of a file, after checking the form of its entries."""
    try:
        body = ast.parse(files.read(path)).body
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    except (RecursionError, MemoryError):
        raise ValueError("it is nested too deeply to be read") from None
    found = {}
    for node in body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id.isupper():
            try:
                found[target.id] = ast.literal_eval(node.value)
            except ValueError:
                if target.id in _FORMS:
                    raise ValueError(f"{target.id} must be a literal, which can be read without running the file") from None
    for variable, (is_right, form) in _FORMS.items():
        if variable in found and not is_right(found[variable]):
            raise ValueError(f"{variable} must be {form}")
    return found


def _are_choices(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and _NAME.fullmatch(name) for name in value)
        and all(isinstance(title, str) and title.strip() and title.isprintable() for title in value.values())
    )


def _are_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and isinstance(entry, dict) for name, entry in value.items())


def _are_options(value: Any) -> bool:
    return _are_tables(value) and all("default" in entry for entry in value.values())


def _are_looks(value: Any) -> bool:
    return _are_tables(value) and all(
        key in _LOOK and isinstance(text, str) and _LOOK[key].fullmatch(text) for entry in value.values() for key, text in entry.items()
    )


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(number, int) and not isinstance(number, bool) for number in value.values())


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


_FORMS = {
    "CHOICES": (_are_choices, "{name: title}, names of at most 20 small letters, digits and _ . -"),
    "OPTIONS": (_are_options, '{parameter: {"default": ..., "ge": ..., "le": ..., "help": ...}}'),
    "RECIPE": (_are_tables, "{name: {setting: value}}"),
    "LOOK": (_are_looks, '{name: {"short": text, "colour": "#RRGGBB", "dash": a dash of plotly, "symbol": a symbol of plotly}}'),
    "NUMBER": (_are_numbers, "{name: number}"),
    **dict.fromkeys(("COST", "MEMORY", "REGROWS", "CHAOTIC"), (_is_table, "{name: value}")),
    "PRUNES": (_is_flag, "True or False"),
    "IS_STEERED": (_is_flag, "True or False"),
    "GROWS_BY_GRADIENT": (_is_flag, "True or False"),
    "MOVES_WEIGHTS": (_is_flag, "True or False"),
    "IN_THIS_PROCESS": (_is_flag, "True or False"),
    "FOREIGN": (_is_flag, "True or False"),
    "TAKES_PATH": (_is_flag, "True or False"),
    "TAKES_SPLIT": (_is_flag, "True or False"),
}
