"""What to try next after a finished run, from its own numbers: each a change of its settings that nobody has run yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .. import names, plugins
from ..config import RunConfig, build
from ..planning import sparsity
from ..quotas import counts_weights

MOST = 3
_STEPS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)  # sparsities that are worth a try
_FURTHER = 0.6  # of the density: less of a step would show little
_OVERFITS = 0.10  # gap, as a fraction
_LEARNING = 0.01  # gain of validation accuracy in the last epochs
_AT_CHANCE = 1.5  # times the accuracy of guessing


@dataclass(frozen=True)
class Facts:
    """What is known of a finished run: its record, its last megabatch, the layers at its end, its epochs."""

    run: Mapping[str, Any]
    end: Mapping[str, Any]
    layers: pd.DataFrame
    epochs: pd.DataFrame

    @property
    def config(self) -> Mapping[str, Any]:
        return self.run["config"]


@dataclass(frozen=True)
class Suggestion:
    """`what` to try and `why`, the whole settings, and about how many seconds they take here."""

    what: str
    why: str
    settings: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class _Idea:
    what: str
    why: str
    changes: dict[str, Any]
    cost: float = 1.0  # as a multiple of this run's


def suggestions(facts: Facts, fingerprints: Sequence[str]) -> list[Suggestion]:
    """The first few ideas that fit this run and are not among the runs with these fingerprints; one of each rule, then more of them."""
    found: list[Suggestion] = []
    taken = set(fingerprints)
    ideas = [rule(facts) for rule in _RULES]
    while ideas and len(found) < MOST:
        for of_rule in list(ideas):
            one = next((made for idea in of_rule if (made := _made(facts, idea, taken))), None)
            if one is None:
                ideas.remove(of_rule)
            elif len(found) < MOST:
                found.append(one)
    return found


def _made(facts: Facts, idea: _Idea, taken: set[str]) -> Suggestion | None:
    """None for what cannot be run, or was taken already."""
    config = _changed(facts.config, idea.changes)
    if config is None or config.fingerprint in taken:
        return None
    taken.add(config.fingerprint)
    seconds = idea.cost * float((facts.run["totals"] or {}).get("seconds") or 0.0)
    return Suggestion(idea.what, idea.why, config.model_dump(mode="json"), seconds)


def _changed(config: Mapping[str, Any], changes: Mapping[str, Any]) -> RunConfig | None:
    values = {**config, **changes}
    if "method" in changes or "pruner" in changes:  # the parameters of another plug-in
        values["options"] = {}
    try:
        return build(values)
    except ValueError:  # a plug-in that is not here, or settings that do not go together
        return None


def _is_pruned(facts: Facts) -> bool:
    return plugins.prunes(facts.config["method"]) and facts.end["density_mask"] < 1


def _collapsed(facts: Facts) -> Iterator[_Idea]:
    dead = facts.layers.loc[facts.layers["alive"] == 0, "layer"].tolist() if len(facts.layers) else []
    if not (_is_pruned(facts) and dead):
        return
    layer = dead[0].removesuffix(".weight")
    why = f"{layer} has no weight left that matters, which is a collapse: no signal passes there."
    if facts.config["scope"] != "erk":
        yield _Idea("Leave each layer a share of its own", f"{why} Scope ERK spares small layers.", {"scope": "erk", "densities": ()})
    if not counts_weights(facts.config):
        return
    half = 1 - min(1.0, 2 * facts.end["density_mask"])
    yield _Idea(f"Prune half as far, to {100 * half:.1f} %", why, {"tau": sparsity.tau_of(half)})


def _further(facts: Facts) -> Iterator[_Idea]:
    if not (_is_pruned(facts) and counts_weights(facts.config)):
        return
    if (facts.layers["alive"] == 0).any() or facts.end["test_accuracy"] < _AT_CHANCE * _chance(facts):
        return
    density = facts.end["density_mask"]
    said = f"At {100 * (1 - density):.1f} % sparsity no layer is empty and the test accuracy is {100 * facts.end['test_accuracy']:.1f} %"
    for step in _STEPS:
        if 1 - step <= _FURTHER * density:
            yield _Idea(f"Prune further, to {100 * step:g} %", f"{said}: how far does that go?", {"tau": sparsity.tau_of(step)})


def _chance(facts: Facts) -> float:
    return 1 / max(2, int((facts.run.get("started") or {}).get("classes") or 10))


def _another_seed(facts: Facts) -> Iterator[_Idea]:
    seed = facts.config["seed"]
    for other in range(seed + 1, seed + 3):
        yield _Idea(f"Repeat with seed {other}", "One seed cannot tell a result from luck; two or three give an interval.", {"seed": other})


def _another_pruner(facts: Facts) -> Iterator[_Idea]:
    if not (_is_pruned(facts) and plugins.has_pruner(facts.config["method"])):
        return
    mine = names.display(facts.config["pruner"])
    for other in ("magnitude", "snip", "random"):
        if other != facts.config["pruner"]:
            name = names.display(other)
            what = f"Compare with {name}"
            yield _Idea(what, f"From the same weights on the same images: is it {mine}, or would {name} do?", {"pruner": other})


def _dense(facts: Facts) -> Iterator[_Idea]:
    if _is_pruned(facts):
        why = f"{100 * facts.end['test_accuracy']:.1f} % is much or little only beside the same network with every weight."
        yield _Idea("Run the dense reference", why, {"method": "dense"})


def _overfits(facts: Facts) -> Iterator[_Idea]:
    gap, epochs = facts.end["generalization_gap"], facts.config["epochs"]
    if gap > _OVERFITS and epochs > 1:
        why = f"It overfits by {100 * gap:.0f} points: it may have trained for too long."
        yield _Idea(f"Train for {epochs // 2} epochs", why, {"epochs": epochs // 2}, 0.5)


def _still_learning(facts: Facts) -> Iterator[_Idea]:
    last = facts.epochs[facts.epochs["megabatch"] == facts.epochs["megabatch"].max()]
    values = last["val_accuracy"].tolist()
    if len(values) > 3 and (gain := max(values[-2:]) - max(values[:-2])) > _LEARNING:
        why = f"In its last two epochs it gained {100 * gain:.1f} points: it had not finished learning."
        epochs = 2 * facts.config["epochs"]
        yield _Idea(f"Train for {epochs} epochs", why, {"epochs": epochs}, 2.0)


_RULES: tuple[Callable[[Facts], Iterator[_Idea]], ...] = (
    _collapsed,
    _still_learning,
    _overfits,
    _further,
    _another_seed,
    _another_pruner,
    _dense,
)
