"""Experiment 6: what shuffling a mask within its layers costs, for a mask found before training and one found after it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..analysis.measures import MEASURES, lower
from ..analysis.samples import Sample, above_zero, within
from ..config import RunConfig
from ..engine.loop import run
from ..engine.prune_point import select
from ..engine.state import RunState
from ..engine.weights import put_back
from ..planning.plan import plan
from . import sanity
from .experiment import Finding, Lab, Part, about, markdown
from .sanity import AS_IS, MARGIN, REINIT, SHUFFLED, Trial

NUMBER, TITLE = 6, "Shuffling masks within layers"
CLAIM = (
    "Shuffling a SNIP mask within each layer, or drawing new initial values, does not hurt; shuffling the mask of magnitude pruning "
    "after training does."
)
SOURCE = "Frankle et al., arXiv 2009.08576; Su et al., arXiv 2009.11094"
TAU = 10.0  # density 0.107
STARTS = (
    "SNIP: scored and trained from the initial weights. Magnitude: a dense training first, its final weights ranked; the arms start at "
    "those final weights and are trained as long again from the full learning rate"
)
ARMS = (AS_IS, SHUFFLED, REINIT)


def measure(lab: Lab) -> Finding:
    """The arms of the sanity card; a seed changes everything: initial values, mask, data order."""
    seeds = lab.repeats(3)
    arms = ARMS[:2] if lab.is_quick else ARMS
    early, late = _arms(lab, _early, arms, seeds), _arms(lab, _late, arms[:2], seeds)

    def against(by_arm: dict[str, Sample], arm: str) -> str:
        return f"as it is {by_arm[AS_IS].text()} %, {arm} {by_arm[arm].text()} % (n = {len(seeds)})"

    same = f"within {100 * MARGIN:.0f} points of accuracy"
    parts = [Part(f"SNIP: shuffling changes nothing, {same}", against(early, SHUFFLED), within(early[AS_IS] - early[SHUFFLED], MARGIN))]
    if REINIT in arms:
        parts.append(Part(f"SNIP: fresh initial values change nothing, {same}", against(early, REINIT),
                          within(early[AS_IS] - early[REINIT], MARGIN)))  # fmt: skip
    parts.append(Part("magnitude after training: shuffling hurts", against(late, SHUFFLED), above_zero(late[AS_IS] - late[SHUFFLED])))
    rows = [
        [name, *(by_arm[arm].text() if arm in by_arm else "" for arm in arms)]
        for name, by_arm in (("SNIP at initialisation", early), ("magnitude after training", late))
    ]
    return Finding(
        NUMBER,
        TITLE,
        CLAIM,
        SOURCE,
        f"{about(_config(lab, 0), 'tau', 'prunable')} (density {0.8**TAU:.3f}), {len(seeds)} seed(s). {STARTS}",
        tuple(parts),
        markdown([lower(MEASURES["test_accuracy"].title), *arms], rows),
    )


def _config(lab: Lab, seed: int, pruner: str = "snip") -> RunConfig:
    usual = {"arch": "resnet20", "image_size": 16, "limit_train": 1500, "limit_test": 1000, "epochs": 8, "batch_size": 32}
    small = {"arch": "mlp", "prunable": "all", "limit_train": 400, "limit_test": 200, "epochs": 6, "lr": 0.1, "batch_size": 32}
    about = {"method": "osp", "megabatches": 1, "tau": TAU, "pruner": pruner}
    return lab.config(**(small if lab.is_quick else usual), **about, seed=seed)


def _arms(lab: Lab, make: Callable[[Lab, int], Trial], arms: tuple[str, ...], seeds: range) -> dict[str, Sample]:
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    for seed in seeds:
        trial = make(lab, seed)
        for arm in arms:
            found[arm].append(trial.arm(arm))
            lab.say(f"{trial.config.pruner}, {arm}, seed {seed}: {100 * found[arm][-1]:.1f} %")
    return {arm: Sample.of(values) for arm, values in found.items()}


def _early(lab: Lab, seed: int) -> Trial:
    config = _config(lab, seed)
    return Trial(config, _cut(config, weights := sanity.initial(config)), weights)


def _late(lab: Lab, seed: int) -> Trial:
    config = _config(lab, seed, "magnitude")
    dense = RunConfig(**{**config.model_dump(), "method": "dense"})
    state = RunState.create(dense)
    for _ in run(state, plan(dense)):
        pass
    weights = state.model.state_dict()
    return Trial(config, _cut(config, weights), weights)


def _cut(config: RunConfig, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    state = RunState.create(config)
    put_back(state.model, weights)
    return select(state, 0, plan(config)[0].density).masks
