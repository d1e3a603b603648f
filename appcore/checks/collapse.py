"""Experiment 4: how far each criterion can compress before no path from input to output is left. Masks only, no training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..analysis.samples import Sample, above_zero, exactly
from ..config import RunConfig, build
from ..engine.prune_point import select
from ..engine.state import RunState
from ..masks import selection
from ..masks.alive import alive_masks
from ..masks.facts import collapsed_layers, critical_density
from ..names import counted, display
from ..pruners.base import exponential
from .experiment import Finding, Lab, Part, markdown

NUMBER, TITLE = 4, "Order of collapse"
ROUNDS, FARTHEST = 50, 3e4  # of iterated criteria; the compression to which they are led
CLAIM = (
    "At rising compression magnitude collapses first, then random, while SNIP, GraSP and SynFlow iterated in "
    f"{ROUNDS} rounds outlive both; in one round SynFlow collapses before all of them, and SNIP before its iterated self."
)
SOURCE = (
    "arXiv 2006.05467 and its published result files (VGG-16, CIFAR-100; all five criteria with `prune_epochs: 100`). Top-1 accuracy there "
    "of random, magnitude, SNIP, GraSP, SynFlow: 17.8, 1.0, 46.2, 43.0, 54.3 % at 316x; 1.0, 1.0, 15.5, 3.5, 41.0 % at 1000x (chance: 1 %)"
)
REMARKS = (
    "Like is compared with like: Kaiming fan-in, the classifier pruned too, scores in evaluation mode, as there. Not alike: the published "
    "tables give accuracy after training, here paths are counted, so nothing is said of the order among SNIP, GraSP and SynFlow.",
    "Random and magnitude are the same one-shot and iterated: their scores do not change. An iterated criterion is led to "
    f"{FARTHEST:,.0f}x by one ladder of {ROUNDS} rounds, and its end is read off on the way; one that still has a path there is counted as "
    f"{FARTHEST:,.0f}x. The published code takes 100 rounds to each compression, which spares more.",
)
FIXED = ("random", "magnitude")  # criteria whose scores stay the same when weights go
ITERATED = ("snip", "grasp", "synflow")
STEPS = 12  # bisections of the compression on a logarithmic scale, between 1 and the number of weights


def measure(lab: Lab) -> Finding:
    """For each criterion the highest compression (weights / weights kept) at which a path from input to output is left."""
    seeds = lab.repeats(5)
    once = {pruner: _measured(lab, _once, pruner, seeds) for pruner in FIXED + ITERATED}
    rounds = {pruner: _measured(lab, _in_rounds, pruner, seeds) for pruner in ITERATED}
    ends = {_once_name(pruner): [end for end, _, _ in found] for pruner, found in once.items()}
    ends |= {_iterated_name(pruner): found for pruner, found in rounds.items()}
    exact = [all(found[place][2] for found in once.values()) for place in range(len(seeds))]
    log = {name: Sample.of(map(math.log10, found)) for name, found in ends.items()}

    def order(lower: str, higher: str) -> Part:
        measured = f"{_times(log[lower])} against {_times(log[higher])} (n = {len(seeds)})"
        return Part(f"{lower} ends before {higher}", measured, above_zero(log[higher] - log[lower]))

    parts = [order(display("magnitude"), display("random"))]
    parts += [order(display("random"), _iterated_name(name)) for name in ITERATED]
    parts += [order(_once_name("synflow"), display("magnitude")), order(_once_name("snip"), _iterated_name("snip"))]
    parts.append(
        Part("where a layer first dies under one-shot scores: all layers live with that many weights, one is empty with one fewer",
             f"{sum(exact)} of {counted(len(exact), 'seed')}, {len(FIXED + ITERATED)} criteria each", exactly(all(exact)), True)
    )  # fmt: skip
    empty = {_once_name(pruner): Sample.of(math.log10(first) for _, first, _ in found) for pruner, found in once.items()}
    table = markdown(
        ["compression", "a layer is empty beyond", "no path beyond"],
        [[name, _times(empty[name]) if name in empty else "", _times(found)] for name, found in log.items()],
    )
    return Finding(NUMBER, TITLE, CLAIM, SOURCE, _settings(lab), tuple(parts), table, REMARKS)


def _settings(lab: Lab) -> str:
    config = _config(lab, "snip", 0)
    return (
        f"{config.arch}, `{lab.dataset}`, prunable {config.prunable}, init {config.init}, scoring set of "
        f"{round(config.score_fraction * config.limit_train)} images, {len(lab.repeats(5))} seed(s). The end: no path of kept weights from "
        f"input to output; one-shot by {STEPS} bisections, iterated to a round"
    )


def _config(lab: Lab, pruner: str, seed: int) -> RunConfig:
    small = {"arch": "lenet5" if lab.is_quick else "vgg16_bn", "method": "osp", "megabatches": 1, "limit_train": 50, "limit_test": 10}
    alike = {"prunable": "all", "init": "kaiming-fan-in", "score_fraction": 0.2}
    return lab.config(**small, **alike, pruner=pruner, seed=seed, options={"rounds": 1} if pruner == "synflow" else {})


def _iterated_name(pruner: str) -> str:
    return f"{display(pruner)}({ROUNDS})"


def _once_name(pruner: str) -> str:
    return f"{display(pruner)}(1)" if pruner in ITERATED else display(pruner)


def _measured(lab: Lab, task: Callable[[Lab, Any], Any], pruner: str, seeds: range) -> list[Any]:
    return lab.each(task, [_config(lab, pruner, seed).model_dump(mode="json") for seed in seeds])


def _once(lab: Lab, settings: dict[str, Any]) -> tuple[float, float, bool]:
    """Of one round: the highest compression with a path, the one with every layer alive, and whether layers die where the ranks say."""
    state = RunState.create(build(settings))
    scores = select(state, 0, 0.01, in_evaluation=True).scores
    found = _last_alive(state, scores)
    lab.say(f"{_once_name(state.config.pruner)} ends at {found:,.0f}x, seed {state.config.seed}")
    return found, *_first_empty(scores)


def _in_rounds(lab: Lab, settings: dict[str, Any]) -> float:
    """Of an iterated criterion: the highest compression with a path."""
    state = RunState.create(build(settings))
    end = _last_alive_iterated(state)
    lab.say(f"{_iterated_name(state.config.pruner)} ends at {end:,.0f}x, seed {state.config.seed}")
    return end


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


def _last_alive_iterated(state: RunState) -> float:
    """Round by round, each scored on what the one before has left."""
    reached = 1.0
    for density in exponential(1.0, 1 / FARTHEST, ROUNDS):
        masks = select(state, 0, density, in_evaluation=True).masks
        if not _lives(state, masks):
            break
        state.set_masks(masks)
        reached = 1 / density
    return reached


def _first_empty(scores: dict[str, Tensor]) -> tuple[float, bool]:
    """The compression beyond which a layer is empty, by rank, and whether masks just there confirm it."""
    critical = critical_density(scores)
    assert critical is not None
    total = sum(score.numel() for score in scores.values())
    lives, dies = (selection.keep_top(scores, (critical.kept - less) / total) for less in (0, 1))
    return 1 / critical.density, not collapsed_layers(lives) and critical.layer in collapsed_layers(dies)


def _times(log: Sample) -> str:
    spread = f", {10 ** min(log.values):,.0f} to {10 ** max(log.values):,.0f}" if len(log.values) > 1 else ""
    return f"{10**log.mean:,.0f}x{spread}"
