"""The learning rate over a megabatch: as torch's schedulers give it, and as the formulas say."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from appcore.config import RunConfig
from appcore.methods.learning_rate import is_by_step, learning_rate
from appcore.planning.plan import plan
from appcore.planning.relevance import is_relevant

EPOCHS, STEPS = 4, 7


def rates(**values: Any) -> list[float]:
    """Of every step of a megabatch."""
    config = RunConfig(epochs=EPOCHS, lr=0.2, **values)
    return [learning_rate(config, epoch, step, STEPS) for epoch in range(EPOCHS) for step in range(STEPS)]


def torchs(make: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    scheduler, found = make(optimizer), []
    for _ in range(EPOCHS * STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_is_torchs() -> None:
    expected = torchs(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * STEPS))
    assert rates(lr_schedule="cosine") == pytest.approx(expected, rel=1e-9)


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")
def test_one_cycle_is_torchs() -> None:
    def make(optimizer: Any) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=EPOCHS * STEPS, cycle_momentum=False)

    expected = torchs(lambda optimizer: _Lenient(make(optimizer)))
    assert rates(lr_schedule="one-cycle") == pytest.approx(expected, rel=1e-9)


class _Lenient:
    """A scheduler that may be asked once more than it has steps."""

    def __init__(self, scheduler: Any):
        self.scheduler = scheduler

    def step(self) -> None:
        if self.scheduler.last_epoch + 1 < EPOCHS * STEPS:
            self.scheduler.step()


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_one_cycle_of_few_steps_stays_within_its_limits(steps: int) -> None:
    config = RunConfig(epochs=1, lr=0.2, lr_schedule="one-cycle")
    assert all(0.2 / 25 / 1e4 * 0.999 <= learning_rate(config, 0, step, steps) <= 0.2 for step in range(steps))


def test_steps_are_those_of_the_released_code_and_stand_still_within_an_epoch() -> None:
    found = rates(lr_drops=(0.5, 0.75), lr_gamma=0.1)
    assert found == [rate for rate in (0.2, 0.2, 0.2 * 0.1, 0.2 * 0.1**2) for _ in range(STEPS)]
    assert not is_by_step(RunConfig()) and is_by_step(RunConfig(lr_warmup=0.1)) and is_by_step(RunConfig(lr_schedule="cosine"))


def test_warm_up_rises_evenly_to_the_top_and_the_rest_follows() -> None:
    found = rates(lr_warmup=0.25, lr_drops=(0.5,))
    assert found[:7] == pytest.approx([0.2 * step / 7 for step in range(1, 8)])
    assert found[7:14] == [0.2] * 7 and found[14:] == pytest.approx([0.02] * 14)
    cosine = rates(lr_warmup=0.25, lr_schedule="cosine")
    assert cosine[:7] == found[:7]
    assert cosine[7:] == pytest.approx([0.1 * (1 + math.cos(math.pi * step / 21)) for step in range(21)])


def test_a_plan_names_the_rate_that_an_epoch_begins_with() -> None:
    config = RunConfig(epochs=4, megabatches=2, lr=0.2, lr_schedule="cosine")
    found = [segment.learning_rate for segment in plan(config) if segment.kind == "epoch"]
    assert found == pytest.approx([0.1 * (1 + math.cos(math.pi * epoch / 4)) for epoch in (0, 1, 2, 3)] * 2)


def test_settings_that_have_no_effect_are_known() -> None:
    def irrelevant(**values: Any) -> set[str]:
        settings = RunConfig(**values).model_dump()
        return {name for name in ("lr_drops", "lr_gamma", "lr_warmup", "beta2") if not is_relevant(name, settings)}

    assert irrelevant() == {"beta2"}
    assert irrelevant(lr_schedule="cosine", optimizer="adamw") == {"lr_drops", "lr_gamma"}
    assert irrelevant(lr_schedule="one-cycle") == {"beta2", "lr_drops", "lr_gamma", "lr_warmup"}
