"""Experiment 6: what shuffling a mask within its layers costs, for a mask found before training and one found after it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..analysis.measures import MEASURES, lower
from ..analysis.samples import Sample, above_zero, within
from ..config import RunConfig, build
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
EARLY_TAU, LATE_TAU = 16.0, 18.0  # densities 0.028 and 0.018
STARTS = (
    "SNIP: scored and trained from the initial weights. Magnitude: a dense training first, its final weights ranked; the arms start at "
    "those final weights and are trained as long again from the full learning rate"
)
REMARKS = (
    "SNIP is tested on a convolutional network, as in the papers: in an MLP its mask chooses pixels, and shuffling the first layer hurts.",
    f"What would change our mind: for SNIP an interval that lies outside of {100 * MARGIN:.0f} points either way, for magnitude one "
    "below 0.",
)
ARMS = (AS_IS, SHUFFLED, REINIT)


def measure(lab: Lab) -> Finding:
    """The arms of the sanity card; a seed changes everything: initial values, mask, data order, and which images."""
    early, late = _early_arms(lab), _late_arms(lab)

    def against(by_arm: dict[str, Sample], arm: str) -> str:
        one, other = by_arm[AS_IS], by_arm[arm]
        return f"{(one - other).ranging()} points: as it is {one.text()} %, {arm} {other.text()} % (n = {len(one.values)})"

    same = f"within {100 * MARGIN:.0f} points of accuracy"
    parts = [
        Part(f"SNIP: shuffling changes nothing, {same}", against(early, SHUFFLED), within(early[AS_IS] - early[SHUFFLED], MARGIN)),
        Part(f"SNIP: fresh initial values change nothing, {same}", against(early, REINIT), within(early[AS_IS] - early[REINIT], MARGIN)),
        Part("magnitude after training: shuffling hurts", against(late, SHUFFLED), above_zero(late[AS_IS] - late[SHUFFLED])),
    ]
    rows = [
        [name, *(by_arm[arm].text() if arm in by_arm else "" for arm in ARMS)]
        for name, by_arm in (("SNIP at initialisation", early), ("magnitude after training", late))
    ]
    one, other = _early_config(lab, 0), _late_config(lab, 0)
    return Finding(
        NUMBER,
        TITLE,
        CLAIM,
        SOURCE,
        f"SNIP: {about(one)}, density {0.8**one.tau:.3f}, {len(early[AS_IS].values)} seed(s); magnitude: {about(other, 'prunable')}, "
        f"density {0.8**other.tau:.3f}, {len(late[AS_IS].values)} seed(s); no augmentation. {STARTS}",
        tuple(parts),
        markdown([lower(MEASURES["test_accuracy"].title), *ARMS], rows),
        REMARKS,
    )


def _early_config(lab: Lab, seed: int) -> RunConfig:
    usual = {"arch": "resnet20", "image_size": 16, "limit_train": 5000, "limit_test": 10_000, "epochs": 12, "batch_size": 64, "lr": 0.1}
    return _config(lab, usual, pruner="snip", tau=EARLY_TAU, seed=seed)


def _late_config(lab: Lab, seed: int) -> RunConfig:
    usual = {"arch": "mlp", "image_size": 16, "limit_train": 8000, "limit_test": 4000, "epochs": 16, "batch_size": 64, "lr": 0.02}
    return _config(lab, {**usual, "prunable": "all"}, pruner="magnitude", tau=LATE_TAU, seed=seed)


def _config(lab: Lab, usual: dict[str, Any], **about: Any) -> RunConfig:
    small = {"arch": "mlp", "prunable": "all", "limit_train": 400, "limit_test": 200, "epochs": 6, "lr": 0.1, "batch_size": 32}
    return lab.config(**(small if lab.is_quick else usual), **about, method="osp", megabatches=1, crop_padding=0, flip=False)


def _early_arms(lab: Lab) -> dict[str, Sample]:
    seeds = lab.repeats(8)
    items = [[arm, _early_config(lab, seed).model_dump(mode="json")] for seed in seeds for arm in ARMS]
    found = lab.each(_early, items)
    return {arm: Sample.of(found[place :: len(ARMS)]) for place, arm in enumerate(ARMS)}


def _late_arms(lab: Lab) -> dict[str, Sample]:
    found = lab.each(_late, [_late_config(lab, seed).model_dump(mode="json") for seed in lab.repeats(5)])
    return {arm: Sample.of(one[arm] for one in found) for arm in ARMS[:2]}


def _early(lab: Lab, item: tuple[str, dict[str, Any]]) -> float:
    """Test accuracy of one arm of SNIP's mask."""
    arm, config = item[0], build(item[1])
    weights = sanity.initial(config)
    return _said(lab, config, arm, Trial(config, _cut(config, weights), weights).arm(arm))


def _late(lab: Lab, settings: dict[str, Any]) -> dict[str, float]:
    """Test accuracies of the arms of magnitude's mask after a dense training."""
    config = build(settings)
    dense = build({**settings, "method": "dense"})
    state = RunState.create(dense)
    for _ in run(state, plan(dense)):
        pass
    weights = state.model.state_dict()
    trial = Trial(config, _cut(config, weights), weights)
    return {arm: _said(lab, config, arm, trial.arm(arm)) for arm in ARMS[:2]}


def _said(lab: Lab, config: RunConfig, arm: str, accuracy: float) -> float:
    lab.say(f"{config.pruner}, {arm}, seed {config.seed}: {100 * accuracy:.1f} %")
    return accuracy


def _cut(config: RunConfig, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    state = RunState.create(config)
    put_back(state.model, weights)
    return select(state, 0, plan(config)[0].density).masks
