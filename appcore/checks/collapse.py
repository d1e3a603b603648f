"""Experiment 4: how far each criterion can compress before no path from input to output is left. Masks only, no training."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ..analysis.samples import Sample, above_zero, exactly
from ..config import RunConfig
from ..engine.prune_point import select
from ..engine.state import RunState
from ..masks import selection
from ..masks.alive import alive_masks
from ..masks.facts import collapsed_layers, critical_density
from ..names import counted, display
from .experiment import Finding, Lab, Part, markdown

NUMBER, TITLE = 4, "Order of collapse"
CLAIM = (
    "At rising compression random and magnitude collapse first, then GraSP and SNIP, SynFlow with 100 rounds last; with one round it "
    "collapses early."
)
SOURCE = "arXiv 2006.05467 and its published result files (VGG-16, CIFAR-100)"
REMARK = (
    "Not tested here: how far the order among the one-shot criteria depends on initialisation, depth, and on the published tables "
    "measuring accuracy after training rather than paths."
)
SYNFLOW = display("synflow")
ONE_SHOT = {name: display(name) for name in ("random", "magnitude", "snip", "grasp")} | {"synflow": f"{SYNFLOW}(1)"}
SLOW = f"{SYNFLOW}(100)"
STEPS = 9  # bisections of the compression on a logarithmic scale, between 1 and the number of weights
CLIMB = 2.0  # SynFlow(100) needs 100 rounds for each density, so it starts at the others' highest compression, then doubles it
CLIMBS = 4


def measure(lab: Lab) -> Finding:
    """For each criterion the highest compression (weights / weights kept) at which a path from input to output is left."""
    seeds = lab.repeats(2)
    rows = [_compressions(lab, seed) for seed in seeds]
    exact, first_empty = [row.pop("exact") for row in rows], [row.pop("first empty") for row in rows]
    log = {name: Sample.of(math.log10(row[name]) for row in rows) for name in rows[0]}

    def order(lower: str, higher: str) -> Part:
        measured = f"{_times(log[lower])} against {_times(log[higher])} (n = {len(seeds)})"
        return Part(f"{lower} ends before {higher}", measured, above_zero(log[higher] - log[lower]))

    pairs = [(first, second) for first in ("random", "magnitude") for second in ("snip", "grasp")]
    parts = [order(ONE_SHOT[first], ONE_SHOT[second]) for first, second in pairs]
    parts += [order(ONE_SHOT[name], SLOW) for name in ("snip", "grasp", "synflow")]
    parts.append(
        Part("where a layer first dies under one-shot scores: all layers live with that many weights, one is empty with one fewer",
             f"{sum(exact)} of {counted(len(exact), 'seed')}, {len(ONE_SHOT)} criteria each", exactly(all(exact)), True)
    )  # fmt: skip
    empty = {name: Sample.of(math.log10(row[name]) for row in first_empty) for name in first_empty[0]}
    table = markdown(
        ["compression", "a layer is empty beyond", "no path beyond"],
        [[name, _times(empty[name]) if name in empty else "", _times(found)] for name, found in log.items()],
    )
    return Finding(NUMBER, TITLE, CLAIM, SOURCE, _settings(lab), tuple(parts), table, (REMARK,))


def _settings(lab: Lab) -> str:
    config = _config(lab, "snip", 0)
    return (
        f"{config.arch}, `{lab.dataset}`, prunable {config.prunable}, He initialisation (fan-out), scoring set of "
        f"{round(config.score_fraction * config.limit_train)} images, {len(lab.repeats(2))} seed(s). The end: no path of kept weights from "
        f"input to output. One-shot criteria by {STEPS} bisections; {SLOW} at the highest end of the others, then at twice that and so on, "
        f"at most {CLIMBS} times, or at half that where it has ended already"
    )


def _config(lab: Lab, pruner: str, seed: int, rounds: int = 0) -> RunConfig:
    arch = {"arch": "lenet5", "prunable": "all", "limit_train": 400} if lab.is_quick else {"arch": "vgg11_bn", "limit_train": 500}
    options = {"rounds": rounds} if rounds else {}
    small = {"method": "osp", "megabatches": 1, "limit_test": 10, "score_fraction": 0.2}
    return lab.config(**arch, **small, pruner=pruner, seed=seed, options=options)


def _compressions(lab: Lab, seed: int) -> dict[str, Any]:
    """The highest compression with a path, by criterion; `first empty`: with every layer alive; `exact`: layers die where the ranks say."""
    found: dict[str, float] = {}
    first_empty: dict[str, float] = {}
    exact = True
    for pruner, name in ONE_SHOT.items():
        lab.say(f"collapse of {name}, seed {seed}")
        state = RunState.create(_config(lab, pruner, seed, rounds=1 if pruner == "synflow" else 0))
        cut = select(state, 0, 0.01)
        found[name] = _last_alive(state, cut.scores)
        first_empty[name], dies = _first_empty(cut.scores)
        exact &= dies
    found[SLOW] = _climb(lab, seed, max(found.values()))
    return {**found, "first empty": first_empty, "exact": exact}


def _lives(state: RunState, chosen: dict[str, Tensor]) -> bool:
    alive = alive_masks(state.model, chosen, state.stream.data.shape)
    return any(bool(mask.any()) for mask in alive.values())


def _last_alive(state: RunState, scores: dict[str, Tensor]) -> float:
    """By bisection: masks of one set of scores are nested, so a network without a path never regains one."""
    low, high = 0.0, math.log(sum(score.numel() for score in scores.values()))
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _lives(state, selection.keep_top(scores, math.exp(-middle))):
            low = middle
        else:
            high = middle
    return math.exp(low)


def _first_empty(scores: dict[str, Tensor]) -> tuple[float, bool]:
    """The compression beyond which a layer is empty, by rank, and whether masks just there confirm it."""
    critical = critical_density(scores)
    assert critical is not None
    total = sum(score.numel() for score in scores.values())
    lives, dies = (selection.keep_top(scores, (critical.kept - less) / total) for less in (0, 1))
    return 1 / critical.density, not collapsed_layers(lives) and critical.layer in collapsed_layers(dies)


def _climb(lab: Lab, seed: int, start: float) -> float:
    """The highest compression tried at which SynFlow(100) leaves a path; where it dies at once, half as high, again and again."""
    lab.say(f"collapse of {SLOW}, seed {seed}")
    state = RunState.create(_config(lab, "synflow", seed, rounds=100))

    def lives(compression: float) -> bool:
        return _lives(state, select(state, 0, 1 / compression).masks)

    compression = start
    if not lives(compression):
        for _ in range(CLIMBS):
            compression /= CLIMB
            if lives(compression):
                return compression
        return 1.0
    most = sum(mask.numel() for mask in state.masks.values()) / len(state.masks)  # with fewer weights than layers no path can exist
    for _ in range(CLIMBS):
        if compression * CLIMB > most or not lives(compression * CLIMB):
            break
        compression *= CLIMB
    return compression


def _times(log: Sample) -> str:
    spread = f", {10 ** min(log.values):,.0f} to {10 ** max(log.values):,.0f}" if len(log.values) > 1 else ""
    return f"{10**log.mean:,.0f}x{spread}"
