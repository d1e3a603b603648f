"""A prune point: score on scratch copies, select by rank, apply. The two semantics of APP live here and nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from types import ModuleType

import torch
from torch import Tensor, nn

from .. import plugins, seeds
from ..masks import selection
from ..models import base as models
from ..pruners.base import Scoring
from .state import RunState


@dataclass(frozen=True, eq=False)
class Cut:
    """What a prune point decided: masks of before and after, the scores of the last rung, and which weights that rung could choose from."""

    before: dict[str, Tensor]
    masks: dict[str, Tensor]
    scores: dict[str, Tensor]
    eligible: dict[str, Tensor]


def prune(state: RunState, megabatch: int, density: float) -> Cut:
    """Cut the network of `state` to `density`, in place.

    paper: scores of the live weights; pruned weights cannot return; exactly round(density * n) are kept.
    released-code: the two defects of the published code (docs: FIDELITY), on purpose. From the second megabatch on the prunable
    weights are scored at freshly drawn values, and the new mask, ranked over all weights, is multiplied with the old one.
    """
    cut = select(state, megabatch, density)
    state.set_masks(cut.masks)
    state.density_requested = density
    state.forget_best()  # weights of before the cut do not fit the new mask
    return cut


def select(state: RunState, megabatch: int, density: float, change: Callable[[dict], dict] | None = None) -> Cut:
    """What `prune` would do, leaving the state as it is. `change` turns each rung's scores into others before they are ranked."""
    rungs = walk(state, megabatch, density, change)
    while True:
        try:
            next(rungs)
        except StopIteration as done:
            return done.value


def walk(
    state: RunState, megabatch: int, density: float, change: Callable[[dict], dict] | None = None
) -> Generator[tuple[int, int], None, Cut]:
    """`select`, one rung of the criterion's ladder for each `next`: yields (rungs done, rungs), returns the Cut. The state is only read."""
    config, released = state.config, state.config.semantics == "released-code"
    choice, plugin = plugins.find("pruners", config.pruner), plugins.load("pruners", config.pruner)
    regrows = bool(choice.literal("REGROWS"))
    before = {name: mask.clone() for name, mask in state.masks.items()}
    everything = {name: torch.ones_like(mask) for name, mask in before.items()} if released else before
    network = _redrawn(state, megabatch) if released and megabatch > 0 else state.model
    task = Scoring(
        model=network,
        names=list(before),
        batches=state.stream.scoring_batches(megabatch),
        masks=before,
        generator=seeds.generator(config.seed, "pruner", megabatch),
        options={name: config.option("pruner", name) for name in choice.options},
        originals={name: network.get_parameter(name).detach().clone() for name in before} if regrows else {},
        dtype=state.dtype,
    )
    rungs = [density]
    if hasattr(plugin, "ladder"):
        rungs = [*plugin.ladder(selection.density(everything), density, task.options)[:-1], density]
    cut, pool = None, everything
    for rung, target in enumerate(rungs):
        # A rung that would remove nothing is skipped, but for the last, whose scores are asked for.
        if regrows or rung == len(rungs) - 1 or selection.keep_count(pool, target) < sum(selection.count(pool).values()):
            scores = _scores(plugin, replace(task, model=_scratch(network, cut), masks=cut.masks if cut else before, rung=rung))
            cut = Cut(before, selection.keep_top(change(scores) if change else scores, target, config.scope, eligible=pool), scores, pool)
            pool = everything if regrows else cut.masks
        yield rung + 1, len(rungs)
    assert cut is not None
    return replace(cut, masks={name: mask & before[name] for name, mask in cut.masks.items()}) if released else cut


def _redrawn(state: RunState, megabatch: int) -> nn.Module:
    """The network with freshly drawn prunable weights: what the released code scores from its second megabatch on."""
    network = copy.deepcopy(state.model)
    models.initialise(network, state.config.seed, purpose=f"released-code/{megabatch}", only=list(state.masks))
    return network


def _scratch(network: nn.Module, cut: Cut | None) -> nn.Module:
    """A copy to score on, cut so far: BatchNorm in training mode, as APP scores; dropout off, since it draws process-wide numbers."""
    scratch = copy.deepcopy(network).eval()
    for module in scratch.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    if cut is not None:
        selection.apply(scratch, cut.masks)
    return scratch


def _scores(plugin: ModuleType, task: Scoring) -> dict[str, Tensor]:
    with torch.enable_grad():
        return plugin.scores(task)
