"""Sanity checks of a finished mask by controls: what is lost when only part of the mask's information is kept?

After Su et al. (arXiv 2009.11094) and Frankle et al. (2009.08576). A mask that does no better than its shuffle owes its merit to the
layers' densities alone. Every arm trains the same network with the same plan, data and budget, the masks fixed from the first step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .. import plugins, seeds
from ..analysis.samples import FAILS, HOLDS, UNDECIDED, Sample, above_zero, within
from ..config import RunConfig
from ..engine import loop
from ..engine.prune_point import walk
from ..engine.state import RunState
from ..engine.weights import put_back
from ..events import MegabatchDone
from ..masks import selection
from ..methods.base import hook
from ..planning.plan import plan

AS_IS, SHUFFLED, REINIT, INVERTED, RANDOM = ARMS = ("as it is", "shuffled within layers", "re-initialised", "inverted scores", "random")
MEANING = {
    AS_IS: "the mask and the weights that training starts from",
    SHUFFLED: "each layer's mask in a random order, the same weights",
    REINIT: "the mask, freshly drawn initial values",
    INVERTED: "as many weights of each layer, those that the criterion ranks lowest there",
    RANDOM: "as many weights of each layer at random, and freshly drawn initial values: nothing of the mask but its layer densities",
}
MARGIN = 0.02  # of accuracy; smaller differences count as none
START = "the run's initial weights, as for tickets found at initialisation and lottery tickets rewound to step 0"


# ---- the controls


def shuffled(masks: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Each layer's mask shuffled: same counts, other places. Needs a CPU generator, also for masks on a GPU."""
    orders = {name: torch.randperm(mask.numel(), generator=generator) for name, mask in masks.items()}
    return {name: mask.reshape(-1)[orders[name].to(mask.device)].view(mask.shape) for name, mask in masks.items()}


def random_like(masks: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Random masks that keep as many weights of each layer. Same distribution as `shuffled`: the two show the spread of the control."""
    found = {}
    for name, mask in masks.items():
        chosen = torch.zeros(mask.numel(), dtype=torch.bool)
        chosen[torch.randperm(mask.numel(), generator=generator)[: int(mask.count_nonzero())]] = True
        found[name] = chosen.view(mask.shape).to(mask.device)
    return found


def inverted(scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """Scores that keep what the criterion would remove first; for `prune_point.select` as `change`."""
    return {name: -score for name, score in scores.items()}


def inverted_like(chosen: dict[str, Tensor], scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """Masks that keep as many weights of each layer as `chosen`, the lowest-scored ones. Inverting over the whole network instead would
    change the layers' densities as well."""
    low = inverted(scores)
    return {name: selection.keep_top({name: low[name]}, int(mask.count_nonzero()) / mask.numel())[name] for name, mask in chosen.items()}


# ---- the arms


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished mask and what is needed to train its arms. `weights` is the state dict that training starts from."""

    config: RunConfig
    masks: dict[str, Tensor]
    weights: dict[str, Tensor]
    repeat: int = 0

    def arm(self, name: str) -> float:
        """Test accuracy at the end of the training of one arm."""
        place = seeds.generator(self.config.seed, "sanity", name, self.repeat)
        if name == RANDOM:
            return self._train(random_like(self.masks, place), redrawn=f"sanity/{name}/{self.repeat}")
        if name == SHUFFLED:
            return self._train(shuffled(self.masks, place))
        if name == INVERTED:
            return self._train(inverted_like(self.masks, self._scores()))
        return self._train(self.masks, redrawn=f"sanity/{name}/{self.repeat}" if name == REINIT else "")

    def _train(self, chosen: dict[str, Tensor], redrawn: str = "") -> float:
        state = RunState.create(self._plain())
        if redrawn:
            state.reinitialise(redrawn)
        else:
            put_back(state.model, self.weights)
        state.set_masks({name: mask.to(state.device) for name, mask in chosen.items()})
        state.density_requested = state.density()
        return [event for event in loop.run(state, plan(state.config)) if isinstance(event, MegabatchDone)][-1].test_accuracy

    def _plain(self) -> RunConfig:
        """The run's own training, all of its stream, without any pruning. Its repeats see the data in other orders."""
        config = self.config
        kept = {*plugins.find("datasets", config.dataset).options, *plugins.find("models", config.arch).options}
        about = {"method": "dense", "semantics": "paper", "schedule": "exponential", "seed": config.seed + self.repeat}
        about["subset_seed"] = config.images_seed  # the run's own images in every repeat
        about["options"] = {name: value for name, value in config.options.items() if name in kept}
        return RunConfig(**{**config.model_dump(), **about})

    def _scores(self) -> dict[str, Tensor]:
        """The run's criterion for every weight where the arms start, before anything is pruned."""
        state = RunState.create(self.config)
        put_back(state.model, self.weights)
        seen: list[dict[str, Tensor]] = []

        def noted(scores: dict[str, Tensor]) -> dict[str, Tensor]:
            seen.append(scores)
            return scores

        for _ in walk(state, 0, selection.density(self.masks), change=noted):
            if seen:  # of the first round; a round that would remove nothing asks for none
                break
        return seen[0]


def initial(config: RunConfig) -> dict[str, Tensor]:
    """The state dict that a run of these settings begins with."""
    return RunState.create(config).model.state_dict()


def arms_for(config: RunConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(arms that can be trained for a run of these settings, remarks on those that cannot)."""
    title = plugins.find("methods", config.method).title
    if hook(config, "IS_STEERED"):
        return tuple(arm for arm in ARMS if arm != INVERTED), (f"{INVERTED}: left out, {title} ranks by no criterion",)
    if config.pruner == "random":
        return tuple(arm for arm in ARMS if arm != INVERTED), (f"{INVERTED}: left out, random scores have no order to invert",)
    return ARMS, ()


# ---- the card


@dataclass(frozen=True)
class Card:
    """Test accuracies of the arms, paired by repeat, with a verdict of one sentence."""

    density: float
    accuracy: dict[str, Sample]
    verdict: str
    start: str = START
    remarks: tuple[str, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """The card as JSON takes it; accuracies are fractions."""
        arms = {arm: {"mean": found.mean, "sd": found.sd, "values": list(found.values)} for arm, found in self.accuracy.items()}
        about = {"density": self.density, "start": self.start, "margin": MARGIN, "remarks": list(self.remarks)}
        return {**about, "arms": arms, "verdict": self.verdict}


def card(
    config: RunConfig,
    chosen: dict[str, Tensor],
    *,
    repeats: int = 3,
    weights: dict[str, Tensor] | None = None,
    start: str = START,
    watch: Callable[[str, int, float], None] | None = None,
) -> Card:
    """The sanity card of a finished mask: every arm trained `repeats` times by the plan of `config` without its pruning.

    Repeats differ in data order, augmentation, shuffles and fresh values. All arms but the redrawn ones start at `weights`, by default the
    run's initial ones; describe any others in `start`. `watch(arm, repeat, accuracy)` is called after each training.
    """
    weights = initial(config) if weights is None else weights
    arms, remarks = arms_for(config)
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    for repeat in range(repeats):
        for arm in arms:
            found[arm].append(Trial(config, chosen, weights, repeat).arm(arm))
            if watch:
                watch(arm, repeat, found[arm][-1])
    samples = {arm: Sample.of(values) for arm, values in found.items()}
    return Card(selection.density(chosen), samples, verdict(samples), start, remarks)


def verdict(accuracy: dict[str, Sample]) -> str:
    """One sentence on whether the mask's positions matter beyond the layers' densities."""
    own, control = accuracy[AS_IS], accuracy[SHUFFLED]
    numbers = f"({own.text()} % against {control.text()} %, n = {len(own.values)})"
    difference = own - control
    if within(difference, MARGIN) == HOLDS:
        return f"The mask's layer densities explain its accuracy: shuffling changes nothing {numbers}."
    if (better := above_zero(difference)) == HOLDS:
        return f"The places of the mask's weights matter: shuffling costs {100 * difference.mean:.1f} points {numbers}."
    if better == FAILS:
        return f"The mask is worse than its own shuffle, by {-100 * difference.mean:.1f} points {numbers}."
    assert better == UNDECIDED
    return f"Undecided: the mask and its shuffle differ by no more than their spread allows {numbers}; more repeats may decide."
