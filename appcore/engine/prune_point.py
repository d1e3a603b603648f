"""A prune point: score a copy of the network, keep the highest ranks, apply the masks, recount every layer, and report it in events.

New masks come from the method, or from the pruner, round by round. The two semantics of APP are implemented here and nowhere else.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .. import plugins, seeds
from ..events import Event, LayerDensity, Progress, Pruned
from ..masks import facts as mask_facts
from ..masks import selection
from ..masks.alive import alive_masks
from ..masks.reads import together
from ..methods.base import Segment, hook
from ..models import base as models
from ..pruners.base import Passes, ScoringTask
from ..quotas import FLOPS, WEIGHT, Costs, between
from . import compute
from .shown import looks
from .state import RunState

Change = Callable[[dict], dict]
Goal = float | Mapping[str, float]  # what masks are cut to: `density` of selection.keep_top


@dataclass(frozen=True, eq=False)
class Cut:
    """What a prune point decided: previous and new masks, the scores of the last round, and which weights that round could choose from."""

    before: dict[str, Tensor]
    masks: dict[str, Tensor]
    scores: dict[str, Tensor]
    eligible: dict[str, Tensor]
    flops: compute.Spent = (0, 0)  # of all rounds, dense and sparse


def prune(state: RunState, megabatch: int, density: float) -> Cut:
    """Cut the network of `state` to `density`, in place.

    paper: scores of the live weights; pruned weights cannot return; exactly round(density * n) are kept.
    released-code: the two defects of the published code (docs: FIDELITY), on purpose. From the second megabatch on the prunable
    weights are scored at values freshly drawn by torch's default, and the new mask, ranked over all weights, is multiplied with the old.
    """
    cut = select(state, megabatch, density)
    state.set_masks(cut.masks)
    state.density_requested = density
    state.forget_best()  # weights from before the cut do not fit the new mask
    return cut


def select(state: RunState, megabatch: int, density: float, change: Change | None = None, *, in_evaluation: bool = False) -> Cut:
    """What `prune` would do, leaving the state as it is. `change` replaces each round's scores before they are ranked; `in_evaluation`
    scores with BatchNorm's running statistics in place of the batch's, as some published code does."""
    rungs = walk(state, megabatch, density, change, in_evaluation=in_evaluation)
    while True:
        try:
            next(rungs)
        except StopIteration as done:
            return done.value


def walk(
    state: RunState, megabatch: int, density: float, change: Change | None = None, *, in_evaluation: bool = False
) -> Generator[tuple[int, int], None, Cut]:
    """`select`, one round of the criterion for each `next`: yields (rounds done, rounds), returns the Cut. The state is only read."""
    config, released = state.config, state.config.semantics == "released-code"
    choice = plugins.find("pruners", config.pruner)
    before = {name: mask.clone() for name, mask in state.masks.items()}
    everything = {name: torch.ones_like(mask) for name, mask in before.items()} if released else before
    network = _redrawn(state, megabatch) if released and megabatch > 0 else state.model
    task = ScoringTask(
        model=network,
        names=list(before),
        batches=state.stream.scoring_batches(megabatch),
        masks=before,
        generator=seeds.generator(config.seed, "pruner", megabatch),
        options={name: config.option("pruner", name) for name in choice.options},
        dtype=state.dtype,
    )
    shares = dict.fromkeys(before, 1.0) if released else state.shares()
    left = sum(mask.numel() for mask in before.values()) if released else sum(state.kept_by_layer().values())
    spent: list[compute.Spent] = []

    def count_flops(own: ScoringTask, pool: dict[str, Tensor]) -> None:
        now = state.shares() if own.masks is before else compute.shares(own.masks)
        spent.append(compute.of_scoring(state.flops, own.passes, now, shares if pool is everything else now))

    asked = rounds(
        task, config.pruner, state.goal(density), config.scope, everything, left, change, count_flops,
        granularity=config.granularity, costs=state.costs(), in_evaluation=in_evaluation,
    )  # fmt: skip
    cut = yield from asked
    kept = {name: mask & before[name] for name, mask in cut.masks.items()} if released else cut.masks
    return replace(cut, masks=kept, flops=compute.added(spent))


def rounds(
    task: ScoringTask,
    pruner: str,
    density: Goal,
    scope: str,
    everything: dict[str, Tensor],
    left: int,
    change: Change | None = None,
    scored: Callable[[ScoringTask, dict[str, Tensor]], None] = lambda task, pool: None,
    *,
    granularity: str = WEIGHT,
    costs: Costs | None = None,
    in_evaluation: bool = False,
) -> Generator[tuple[int, int], None, Cut]:
    """The rounds of a criterion on any network: yields (rounds done, rounds), returns the Cut. The network is only read.

    `density`, `scope`, `granularity`, `costs`: see selection.keep_top. `everything`: the weights that the first round may choose from, and
    `left`, how many they are. After each round `scored` is called with
    its task and what it could choose from: `task.masks` and `everything` themselves, where nothing has been cut yet.
    """
    plugin = plugins.load("pruners", pruner)
    regrows = bool(plugins.find("pruners", pruner).literal("REGROWS"))
    if regrows:
        task = replace(task, originals={name: task.model.get_parameter(name).detach().clone() for name in task.names})
    rungs = _rungs(plugin, task, density, everything, left, costs)
    cut, pool = None, everything
    for rung, target in enumerate(rungs):
        # A round that would remove nothing is skipped, except the last, whose scores are asked for.
        wanted = None if costs or isinstance(target, Mapping) else selection.keep_count(pool, target)  # weights in all
        if regrows or rung == len(rungs) - 1 or wanted is None or wanted < left:
            scratch, masks = _scratch(task.model, cut, in_evaluation), cut.masks if cut else task.masks
            own = replace(task, model=scratch, masks=masks, rung=rung, passes=Passes())
            scores = _scores(plugin, own)
            scored(own, pool)
            kept = selection.keep_top(change(scores) if change else scores, target, scope, pool, granularity, costs)
            cut = Cut(task.masks, kept, scores, pool)
            if not regrows:
                exact = sum(selection.count(kept).values()) if wanted is None or granularity != WEIGHT else wanted
                pool, left = kept, min(left, exact)
        yield rung + 1, len(rungs)
    assert cut is not None
    return cut


def _rungs(
    plugin: ModuleType, task: ScoringTask, density: Goal, everything: dict[str, Tensor], left: int, costs: Costs | None
) -> list[Goal]:
    """What each round cuts to: densities, shares of the FLOPs, or densities of layers, which keep pace with that of the whole network."""
    if not hasattr(plugin, "ladder"):
        return [density]
    sizes = {name: mask.numel() for name, mask in task.masks.items()}
    start = costs.share(selection.count(everything), sizes) if costs else left / sum(sizes.values())
    if not isinstance(density, Mapping):
        return [*plugin.ladder(start, density, task.options)[:-1], density]
    before = {name: kept / sizes[name] for name, kept in selection.count(everything).items()}
    end = sum(round(share * sizes[name]) for name, share in density.items()) / sum(sizes.values())
    if end >= start:
        return [density]
    shares = [math.log(rung / start) / math.log(end / start) for rung in plugin.ladder(start, end, task.options)[:-1]]
    return [*(between(before, density, share) for share in shares), density]


def _redrawn(state: RunState, megabatch: int) -> nn.Module:
    """A copy with freshly drawn prunable weights: what the released code scores from its second megabatch on. It puts new layers in place,
    which torch initialises, whatever rule the network began with."""
    network = copy.deepcopy(state.model)
    models.initialise(network, state.config.seed, purpose=f"released-code/{megabatch}", only=list(state.masks), init=models.TORCH)
    return network


def _scratch(network: nn.Module, cut: Cut | None, in_evaluation: bool) -> nn.Module:
    """A copy to score on, cut so far: BatchNorm in training mode, as APP scores; dropout off, since it draws process-wide numbers."""
    scratch = copy.deepcopy(network).eval()
    for module in scratch.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(not in_evaluation)
    if cut is not None:
        selection.apply(scratch, cut.masks)
    return scratch


def _scores(plugin: ModuleType, task: ScoringTask) -> dict[str, Tensor]:
    with torch.enable_grad():
        return plugin.scores(task)


def prune_point(state: RunState, segment: Segment) -> Iterator[Event]:
    """Carry out a prune segment: Progress after each round of the criterion, then Pruned."""
    before = state.seconds
    yield Progress(segment.index, segment.megabatch, segment.epoch, 0, 1, state.samples_seen, phase="score")
    seen = looks.at_images(state, segment)
    with state.timed("score"):
        old = {name: mask.clone() for name, mask in state.masks.items()}
        requested, is_steered = _requested(state, segment), hook(state.config, "IS_STEERED")
        is_named = not (is_steered or state.config.scope == FLOPS)
        make = hook(state.config, "new_masks")
        new, cut = make(state, segment) if make else None, None
        if new is not None:
            if hook(state.config, "GROWS_BY_GRADIENT"):
                images = len(state.stream.scoring_indices(segment.megabatch))
                compute.spend(state, compute.GROWTH, compute.of_growth(state.flops, state.shares(), images, is_own_pass=True))
            state.set_masks(new)
    if new is None:
        cut = yield from _by_pruner(state, segment, requested)
    state.forget_best()  # weights from before the cut do not fit the new mask
    with state.timed("measure"):
        layers, effective, facts = _measured(state, old, cut)
        state.density_requested = _share_of_weights(state, requested) if is_named else state.density()
    if state.config.scope == FLOPS and not is_steered:
        facts["flops"] = {"requested": requested, "left": state.flops.sparse_forward(state.shares()) / state.flops.forward}
    facts["images"] = looks.at_images(state, segment) | {"before": seen["answers"]}
    yield Pruned(
        segment=segment.index,
        megabatch=segment.megabatch,
        density_requested=state.density_requested,
        density_mask=share_of(layers, "kept"),
        density_effective=effective,
        density_alive=share_of(layers, "alive"),
        layers=layers,
        seconds=state.seconds - before,
        epoch=segment.epoch,
        round=segment.round,
        is_named=is_named,
        facts=facts,
    )


def share_of(layers: tuple[LayerDensity, ...], what: str) -> float:
    """Kept or alive weights of all layers as a fraction."""
    return sum(getattr(layer, what) for layer in layers) / sum(layer.total for layer in layers)


def _requested(state: RunState, segment: Segment) -> float:
    requested = hook(state.config, "requested")
    return requested(state, segment) if requested else segment.density


def _share_of_weights(state: RunState, density: float) -> float:
    """The share of all weights that is asked for by a density of the schedule."""
    goal = state.goal(density)
    if not isinstance(goal, Mapping):
        return goal
    sizes = {name: mask.numel() for name, mask in state.masks.items()}
    return sum(round(goal[name] * size) for name, size in sizes.items()) / sum(sizes.values())


def _by_pruner(state: RunState, segment: Segment, density: float) -> Generator[Event, None, Cut]:
    """Cut with the chosen pruner; an event after each round, so that a criterion of many rounds can be paused and stopped."""
    rungs = walk(state, segment.megabatch, density)
    while True:
        with state.timed("score"):
            try:
                done, total = next(rungs)
            except StopIteration as end:
                state.set_masks(end.value.masks)
                compute.spend(state, compute.SCORING, end.value.flops)
                return end.value
        yield Progress(segment.index, segment.megabatch, segment.epoch, done, total, state.samples_seen, phase="score")


def _measured(state: RunState, old: dict[str, Tensor], cut: Cut | None) -> tuple[tuple[LayerDensity, ...], float, dict[str, Any]]:
    """Weights kept and alive by layer, the share that is not zero, and Pruned.facts: plain numbers about old and new masks."""
    alive, granularity = alive_masks(state.model, state.masks, state.stream.data.shape), state.config.granularity
    scope = "global" if state.config.scope == FLOPS else state.config.scope  # it ranks in the same way
    can_be_named = granularity == WEIGHT and not state.config.densities
    ranked_by = selection.ranked(cut.scores, cut.eligible, granularity) if cut else {}
    layers, effective, (overlap, _), changes, channels, *ranked = together(
        state.asking_layers(alive),
        selection.effective_density.ask(state.model, list(state.masks)),
        mask_facts.overlap.ask(old, state.masks),
        mask_facts.changes.ask(old, state.masks),
        mask_facts.collapsed_channels.ask(alive),
        *([mask_facts.histogram.ask(ranked_by, cut.masks, cut.eligible)] if cut else []),
        *([mask_facts.critical_density.ask(cut.scores, scope, cut.eligible)] if cut and can_be_named else []),
    )
    facts: dict[str, Any] = {
        "overlap": overlap.iou,
        "overlap_by_chance": overlap.chance,
        "born": {name: born for name, (born, _) in changes.items()},
        "dead": {name: dead for name, (_, dead) in changes.items()},
        "collapsed_layers": [layer.name for layer in layers if not layer.alive],
        "collapsed_channels": channels,
    }
    if ranked:
        found, *criticals = ranked
        if critical := next(iter(criticals), None):
            facts["critical"] = {"layer": critical.layer, "kept": critical.kept, "density": critical.density}
        facts["scores"] = {"edges": list(found.edges), "kept": list(found.kept), "pruned": list(found.pruned), "threshold": found.threshold}
        facts["scores"]["thresholds"] = dict(found.thresholds)
    return layers, effective, facts
