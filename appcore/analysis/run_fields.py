"""Every setting and number of runs by name, for conditions and for columns of one's own."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .. import plugins
from ..config import RunConfig
from ..errors import InputError
from . import measures
from .measures import MEASURES, Measure

ALIASES = {
    "accuracy": "test_accuracy",
    "gap": "generalization_gap",
    "time": "seconds",
    "memory": "peak_memory_bytes",
    "alive": "density_alive",
    "speed": "images_per_second",
    "network": "arch",
    "data": "dataset",
    "t": "megabatches",
    "state": "status",
    "name": "title",
    "id": "run_id",
}
LABELS = ("status", "title", "note", "tag", "run_id", "error")  # that are no settings
_RANKING = ("pruner", "schedule", "tau", "scope", "densities", "granularity")  # settings without effect where the method ranks no weights
NUMBERS = tuple(name for name in measures.newest({}, None) if name != "size")  # a list of runs has no sizes of layers


@dataclass(frozen=True)
class Field:
    """One property of runs. `measure` where it is a number of the registry, in whose unit values are given."""

    name: str
    values: Callable[[pd.DataFrame], pd.Series]
    measure: Measure | None = None


def fields(frame: pd.DataFrame) -> dict[str, Field]:
    """All fields of the rows of `run_library.overview`, by name: labels, settings, parameters of plug-ins, numbers."""
    options = dict.fromkeys(name for run in frame["run"] for name in run["config"].get("options") or {})
    settings = [name for name in RunConfig.model_fields if name != "options"]
    return {name: Field(name, _option(name)) for name in options} | _FIXED | {name: Field(name, _setting(name)) for name in settings}


def _setting(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: pd.Series([_value(run["config"], name) for run in frame["run"]], frame.index, dtype=object)


def _value(config: Mapping[str, Any], name: str) -> Any:
    """A setting; None where it has no effect, such as the pruner of a dense run, and where a row stands for runs that differ in it."""
    is_used = name not in _RANKING or plugins.has_pruner(config.get("method", ""))
    value = config.get(name) if is_used else None
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _option(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: pd.Series([(run["config"].get("options") or {}).get(name) for run in frame["run"]], frame.index, dtype=object)


def _label(name: str) -> Field:
    return Field(name, (lambda frame: frame["tags"]) if name == "tag" else (lambda frame: frame[name]))


def _number(name: str) -> Field:
    return Field(name, lambda frame: MEASURES[name].shown(frame[name]), MEASURES[name])


_FIXED = {name: _label(name) for name in LABELS} | {name: _number(name) for name in NUMBERS}


def plain(word: str) -> str:
    """A name as it is compared: Test-Accuracy and test_accuracy are one."""
    return word.casefold().replace("-", "_").replace(" ", "_")


def find(known: dict[str, Field], word: str) -> Field:
    """The field that somebody typed. InputError with what they may have meant."""
    name = plain(word)
    name = ALIASES.get(name, name)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name[:60], [*known, *ALIASES], n=2, cutoff=0.6)
    remedy = f"did you mean {' or '.join(near)}?" if near else "names are those of the settings and columns, such as tau, seed, sparsity"
    raise InputError(f"search: no setting or number is called {word[:40]!r}; {remedy}", "search")
