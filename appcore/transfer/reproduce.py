"""A run's settings as a command line and as a Python program; each starts a run with the same hashes. Imports no torch."""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from ..config import RunConfig


def needed(config: RunConfig) -> dict[str, Any]:
    """The fewest settings that give this configuration: those that recipes and defaults fill in are left out."""
    return copy.deepcopy(_needed(json.dumps(config.model_dump(mode="json"))))


@lru_cache(maxsize=64)
def _needed(text: str) -> dict[str, Any]:
    """Remembered: it takes as many configurations as there are settings, and every drawing of a run's page shows it twice."""
    whole = json.loads(text)
    kept = dict(whole)
    for name in whole:
        rest = {other: value for other, value in kept.items() if other != name}
        with suppress(ValueError):  # such as an option without its plug-in
            if RunConfig(**rest).model_dump(mode="json") == whole:
                kept = rest
    return kept


def command(config: RunConfig) -> str:
    """A shell command, to be run from the project's folder."""
    return shlex.join(["python", "-m", "appcore", "run", *_flags(needed(config))])


def python(config: RunConfig) -> str:
    """A Python program, to be run from the project's folder."""
    arguments = "".join(f"    {name}={value!r},\n" for name, value in needed(config).items())
    return f"from appcore import RunConfig, run\n\nconfig = RunConfig(\n{arguments})\nfor event in run(config):\n    print(event)\n"


def _flags(values: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if name == "options":
            for option, chosen in value.items():
                words += ["--option", f"{option}={chosen}"]
        elif isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, (list, tuple)):
            words.append(f"--{flag}={','.join(map(str, value))}")
        else:
            words.append(f"--{flag}={value}")
    return words
