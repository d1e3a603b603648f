"""What `python -m appcore sweep` is asked for: settings and their values from the command line, or a search among them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..models import own_code
from ..planning import ablation_grid, axis_values, search
from . import flags

TRIALS = 20
METRIC = "val_accuracy"  # what chooses among settings must not be the test set


@dataclass(frozen=True)
class Halving:
    """Successive halving over the values of one setting, the last axis but for the seed: one of `keep` goes on from each to the next."""

    rungs: Sequence[Any]
    keep: int


@dataclass(frozen=True)
class Request:
    """What a command asks for. `picks`: the combinations that a search drew (of halving: those of the first rung); None: all."""

    base: dict[str, Any]
    axes: dict[str, list[Any]]
    picks: list[list[int]] | None = None
    metric: str = ""
    halving: Halving | None = None

    @property
    def shown(self) -> list[str]:
        """The axes of results, which are averaged over the seeds."""
        return [name for name in self.axes if name != ablation_grid.SEED]

    def label(self, values: Mapping[str, Any]) -> str:
        """The title of a combination."""
        return ablation_grid.label({"values": values, "config": ablation_grid.with_values(self.base, values)})

    def fingerprints(self, pick: list[int]) -> tuple[str, ...]:
        """Of the runs of a combination, one for each seed."""
        return tuple(cell["fingerprint"] for cell in ablation_grid.expand(self.base, self.axes, [pick])["cells"])


def read(args: argparse.Namespace) -> tuple[Request, dict[str, Any]]:
    """What is asked for, and its (first) runs as `expand` gives them. InputError for anything that makes no sense."""
    _check_search_flags(args)
    base = flags.base(args)
    chosen: dict[str, Any] = {}
    for name, text in flags.texts(args).items():
        axis = "tau" if name == axis_values.SPARSITY else name
        if name == "arch":
            text = ",".join(own_code.allow(value.strip()) for value in text.split(","))
        chosen[axis] = (axis_values.span(name, text) if args.search else None) or _checked(name, axis, text)
    if args.search:
        wanted = _searched(args, base, chosen)
    elif not chosen:
        raise InputError("nothing to run: give values for a setting, e.g. --pruner snip,magnitude --seed 0-2", "axes")
    else:
        wanted = Request(*ablation_grid.split(base, chosen))
    found = ablation_grid.expand(wanted.base, wanted.axes, wanted.picks)
    ablation_grid.check_some(found)
    if wanted.picks is None:
        return wanted, found
    distinct: dict[tuple[str, ...], list[int]] = {}
    for pick in wanted.picks:  # those that differ only in what has no effect are one, those that cannot be run none
        if fingerprints := wanted.fingerprints(pick):
            distinct.setdefault(fingerprints, pick)
    return replace(wanted, picks=list(distinct.values())), found


def _checked(name: str, axis: str, text: str) -> list[Any]:
    values = axis_values.parse(name, text)
    if not values:
        raise InputError(f"{name}: {text[:40]!r} is no value; give one or several, divided by commas", name)
    for value in values:
        axis_values.check(axis, value)
    return values


def _check_search_flags(args: argparse.Namespace) -> None:
    """InputError for a flag of a search where there is none, and for one out of range."""
    needs = {"trials": "random", "search_seed": "random", "metric": "random", "rungs": "halving", "keep": "halving"}
    for name, kind in needs.items():
        if getattr(args, name) is not None and not (args.search == kind or (args.search and kind == "random")):
            raise InputError(f"{name.replace('_', '-')}: it belongs to --search{' halving' if kind == 'halving' else ''}", name)
    for name, low, high in (("trials", 1, search.MOST_TRIALS), ("search_seed", 0, 2**32 - 1), ("keep", 2, search.MOST_TRIALS)):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise InputError(f"{name.replace('_', '-')}: {value} is not possible; choose {low} to {high}", name)


def _searched(args: argparse.Namespace, base: dict[str, Any], chosen: dict[str, Any]) -> Request:
    seeds = chosen.pop(ablation_grid.SEED, [base.get(ablation_grid.SEED, 0)])
    if isinstance(seeds, axis_values.Span):
        raise InputError("seed: it is not searched; give the seeds that every combination is run with, e.g. 0-2", "seed")
    space = {name: of for name, of in chosen.items() if isinstance(of, axis_values.Span) or len(of) > 1}
    if not space:
        raise InputError("search: nothing to search; give a setting several values, or a range such as --lr 0.01:0.1:log", "axes")
    base = ablation_grid.with_values(base, {name: of[0] for name, of in chosen.items() if name not in space})
    halving = None
    if args.search == "halving":
        name, rungs = _rungs(args.rungs, chosen)
        halving = Halving(rungs, args.keep or search.KEEP)
    metric = _metric(args.metric or METRIC)
    axes, picks = search.draw(space, args.trials or TRIALS, args.search_seed or 0)
    if halving:
        axes[name], picks = list(halving.rungs), [[*pick, 0] for pick in picks]
    return Request(base, {**axes, ablation_grid.SEED: seeds}, picks, metric, halving)


def _rungs(text: str | None, chosen: Mapping[str, Any]) -> tuple[str, list[Any]]:
    name, equals, values = (text or "").partition("=")
    if not equals:
        raise InputError("rungs: give a setting and its rising values, e.g. --rungs epochs=1,3,9", "rungs")
    name = name.strip().replace("-", "_")
    if name not in ablation_grid.axis_names() or name == ablation_grid.SEED:
        raise InputError(f"rungs: unknown setting {name[:40]!r}; take for example epochs, megabatches or limit_train", "rungs")
    if name in chosen:
        raise InputError(f"rungs: {name} has values already; give it here only", "rungs")
    rungs = _checked(name, name, values)
    if len(rungs) < 2 or not all(isinstance(rung, (int, float)) and not isinstance(rung, bool) for rung in rungs) or rungs != sorted(rungs):
        raise InputError(f"rungs: {values[:40]!r} must be at least two rising numbers, e.g. epochs=1,3,9", "rungs")
    return name, rungs


def _metric(name: str) -> str:
    from ..analysis.ablation_results import METRICS

    ranked = [known for known, about in METRICS.items() if about.better]
    if name not in ranked:
        raise InputError(f"metric: unknown name {name!r}; choose one of {', '.join(ranked)}", "metric")
    return name
