"""Styles and labels of runs, equal in every figure: a colour belongs to a pruner or method, never to the order of drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import plugin_styles, plugins
from ..names import display

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x")


@dataclass(frozen=True)
class Look:
    """How one run is drawn in every figure. `label` is short and unique among the runs of the figure."""

    label: str
    colour: str
    dash: str
    symbol: str


def looks(runs: Sequence[Mapping[str, Any]]) -> dict[str, Look]:
    """A style for each run: hue by pruner (or by a method without one), dash by method; among equals, lightness and marker by age."""
    names = labels(runs)
    found: dict[str, Look] = {}
    seen: dict[tuple[str, str], int] = {}
    for run in sorted(runs, key=lambda run: run["run_id"]):
        identity = (run["pruner"] if plugins.has_pruner(run["method"]) else "", run["method"])
        rank = seen.get(identity, 0)
        seen[identity] = rank + 1
        base, dash = plugin_styles.colour(run["method"], run["pruner"]), plugin_styles.dash(run["method"])
        found[run["run_id"]] = Look(names[run["run_id"]], _lighter(base, rank), dash, _SYMBOLS[rank % len(_SYMBOLS)])
    return found


def _lighter(colour: str, rank: int) -> str:
    """The colour itself, then lighter and darker steps of it."""
    if rank == 0:
        return colour
    target, share = ((255, 0)[rank % 2 == 0], 0.28 + 0.1 * ((rank - 1) // 2))
    values = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(value + (target - value) * min(share, 0.5)):02X}" for value in values)


_NAMING = ("method", "pruner", "dataset", "arch", "seed", "tau", "megabatches", "epochs", "replay", "scope", "semantics", "schedule")


def labels(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The shortest labels that distinguish the runs: the settings in which they differ, else method and pruner."""
    values = {run["run_id"]: _naming_values(run) for run in runs}
    differing = [field for field in _NAMING if len({str(v[field]) for v in values.values()}) > 1]
    shown = differing or ["method", "pruner"]
    names = {run_id: _name(fields, shown) for run_id, fields in values.items()}
    often = Counter(names.values())
    return {run_id: f"{name} · {run_id[-4:]}" if often[name] > 1 else name for run_id, name in names.items()}


def _naming_values(run: Mapping[str, Any]) -> dict[str, Any]:
    config = run.get("config") or {}
    found = {field: config.get(field, run.get(field, "")) for field in _NAMING}
    found["method"], found["pruner"] = run["method"], run["pruner"] if plugins.has_pruner(run["method"]) else ""
    return found


def _name(fields: Mapping[str, Any], shown: Sequence[str]) -> str:
    plain = {"method", "pruner", "dataset", "arch"}
    parts = [display(fields[f]) if f in plain else f"{f.replace('_', ' ')} {display(fields[f])}" for f in shown if fields[f] != ""]
    return " · ".join(parts)
