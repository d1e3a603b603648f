"""A prune point as events: new masks, by the method or by the pruner rung by rung, then everything counted anew."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from torch import Tensor

from .engine.prune_point import Cut, walk
from .engine.state import RunState
from .events import Event, LayerDensity, Progress, Pruned
from .masks import facts as mask_facts
from .masks import selection
from .methods.base import Segment, hook


def prune_point(state: RunState, segment: Segment) -> Iterator[Event]:
    """Carry out a prune segment: Progress after each rung of the criterion, then Pruned."""
    before = state.seconds
    yield Progress(segment.index, segment.megabatch, segment.epoch, 0, 1, state.samples_seen, phase="score")
    with state.timed("score"):
        old = {name: mask.clone() for name, mask in state.masks.items()}
        requested, is_named = _requested(state, segment), not hook(state.config, "IS_STEERED")
        make = hook(state.config, "new_masks")
        new, cut = make(state, segment) if make else None, None
        if new is not None:
            state.set_masks(new)
    if new is None:
        cut = yield from _by_pruner(state, segment, requested)
    state.forget_best()  # weights of before the cut do not fit the new mask
    with state.timed("measure"):
        state.density_requested = requested if is_named else state.density()
        alive = selection.alive_masks(state.model, state.masks, state.stream.data.shape)
        layers = state.layer_densities(alive)
        effective = selection.effective_density(state.model, list(state.masks))
        facts = _facts(state, old, alive, cut)
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


def _by_pruner(state: RunState, segment: Segment, density: float) -> Generator[Event, None, Cut]:
    """Cut with the chosen pruner; an event after each rung, so that a long ladder can be paused and stopped."""
    rungs = walk(state, segment.megabatch, density)
    while True:
        with state.timed("score"):
            try:
                done, total = next(rungs)
            except StopIteration as end:
                state.set_masks(end.value.masks)
                return end.value
        yield Progress(segment.index, segment.megabatch, segment.epoch, done, total, state.samples_seen, phase="score")


def _facts(state: RunState, old: dict[str, Tensor], alive: dict[str, Tensor], cut: Cut | None) -> dict[str, Any]:
    """What Pruned.facts holds, as plain numbers."""
    overlap, _ = mask_facts.overlap(old, state.masks)
    changes = mask_facts.changes(old, state.masks)
    facts: dict[str, Any] = {
        "overlap": overlap.iou,
        "overlap_by_chance": overlap.chance,
        "born": {name: born for name, (born, _) in changes.items()},
        "dead": {name: dead for name, (_, dead) in changes.items()},
        "collapsed_layers": mask_facts.collapsed_layers(alive),
        "collapsed_channels": mask_facts.collapsed_channels(alive),
    }
    if cut is None:
        return facts
    critical = mask_facts.critical_density(cut.scores, state.config.scope, cut.eligible)
    if critical is not None:
        facts["critical"] = {"layer": critical.layer, "kept": critical.kept, "density": critical.density}
    found = mask_facts.histogram(cut.scores, cut.masks, cut.eligible)
    facts["scores"] = {"edges": list(found.edges), "kept": list(found.kept), "pruned": list(found.pruned), "threshold": found.threshold}
    facts["scores"]["thresholds"] = dict(found.thresholds)
    return facts
