"""Styles and labels of runs, equal in every figure: one colour for each experiment, its pruner's if that is free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import plugin_styles, plugins
from ..analysis.repeats import Repeats, experiment
from ..names import display, tail
from ..planning import sparsity
from ..quotas import FLOPS

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x")


@dataclass(frozen=True)
class Look:
    """How one run is drawn in every figure. `label` is short and unique among the runs of the figure."""

    label: str
    colour: str
    dash: str
    symbol: str


def looks(runs: Sequence[Mapping[str, Any]]) -> dict[str, Look]:
    """A style for each run: a colour for each experiment, which its seeds share; dash by method; among equals, markers by age.

    Figures that show some of a page's runs are given all of them, or one run had two colours on one page.
    """
    names, colours = labels(runs), _colours(runs)
    found: dict[str, Look] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for run in sorted(runs, key=lambda run: run["run_id"]):
        identity = (run["pruner"] if plugins.has_pruner(run["method"]) else "", run["method"])
        symbol = _SYMBOLS[seen[identity] % len(_SYMBOLS)]
        seen[identity] += 1
        found[run["run_id"]] = Look(names[run["run_id"]], colours[_experiment(run)], plugin_styles.dash(run["method"]), symbol)
    return found


def _colours(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The colour of its pruner (or of a method without one) for the oldest experiment that has it, and one of its own for each other."""
    found: dict[str, str] = {}
    others = []
    for run in sorted(runs, key=lambda run: run["run_id"]):
        own = plugin_styles.colour(run["method"], run["pruner"])
        if own not in found.values():
            found.setdefault(_experiment(run), own)
        others.append(_experiment(run))
    for name in others:
        if name not in found:
            found[name] = plugin_styles.another(found.values())
    return found


def _experiment(run: Mapping[str, Any]) -> str:
    return f"{run['method']} {run['pruner']} {experiment(run) if 'config' in run else ''}"


_NAMING = ("method", "pruner", "dataset", "arch", "tau", "megabatches", "epochs", "replay", "scope", "granularity", "semantics", "schedule")


def labels(runs: Sequence[Mapping[str, Any]], aside: Iterable[str] = ()) -> dict[str, str]:
    """The shortest labels that distinguish the runs, by as few settings as that takes; else method and pruner.

    Settings `aside` are not named: the seed, where labels are those of experiments.
    """
    values = {run["run_id"]: _naming_values(run) for run in runs}
    fields = dict.fromkeys([*_NAMING, *(name for fields in values.values() for name in fields if name != "seed"), "seed"])
    shown: list[str] = []
    apart = 1
    for field in fields:
        found = len({tuple(str(one.get(name, "")) for name in (*shown, field)) for one in values.values()})
        if field not in aside and found > apart:
            shown, apart = [*shown, field], found
    names = {run_id: _name(fields, shown or ["method", "pruner"]) for run_id, fields in values.items()}
    often = Counter(names.values())
    return {run_id: f"{name} · {tail(run_id)}" if often[name] > 1 else name for run_id, name in names.items()}


def experiment_labels(groups: Iterable[Repeats], among: Sequence[Mapping[str, Any]] = ()) -> dict[str, str]:
    """The label of each experiment, by the id of its first run, as it is named among the experiments of these runs."""
    firsts = [group.first for group in groups]
    apart = list({experiment(run): run for run in [*among, *firsts]}.values())
    found = labels(apart, aside=("seed",))
    by_experiment = {experiment(run): found[run["run_id"]] for run in apart}
    return {run["run_id"]: by_experiment[experiment(run)] for run in firsts}


def _naming_values(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a label may name: settings and parameters; what plays no part is empty."""
    config = run.get("config") or {}
    found = {name: run.get(name, "") for name in _NAMING} | {name: value for name, value in config.items() if name != "options"}
    found |= config.get("options") or {}
    found |= {"method": run["method"], "pruner": run["pruner"] if plugins.has_pruner(run["method"]) else ""}
    return found if plugins.prunes(run["method"]) else found | {"tau": ""}


def _name(fields: Mapping[str, Any], shown: Sequence[str]) -> str:
    return " · ".join(_named(name, fields[name], fields) for name in shown if fields.get(name, "") != "") or display(fields["method"])


def _named(name: str, value: Any, fields: Mapping[str, Any]) -> str:
    if name in ("method", "pruner", "dataset", "arch"):
        return display(value)
    if name == "tau" and not fields.get("densities"):  # else it is only the pace to them
        removed = sparsity.text(sparsity.of_tau(float(value)))
        return f"{removed} of FLOPs removed" if fields.get("scope") == FLOPS else f"{removed} sparse"
    return f"{name.replace('_', ' ')} {display(value)}"
