"""Optimizers, learning-rate plans and label smoothing: equal to torch used directly, equal bits after any resume, paired across methods."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from appcore.config import RunConfig
from appcore.engine.loop import run as run_state
from appcore.engine.state import RunState
from appcore.engine.steps import Sums, train_step
from appcore.events import EpochDone, Finished, SegmentDone, Started
from appcore.methods.learning_rate import learning_rate
from appcore.models.base import create
from appcore.planning.plan import plan

SMALL: dict[str, Any] = {"arch": "lenet5", "megabatches": 2, "epochs": 3, "limit_train": 120, "limit_test": 40, "device": "cpu", "tau": 3.0}
KINDS: dict[str, dict[str, Any]] = {
    "nesterov": {"optimizer": "nesterov"},
    "adamw": {"optimizer": "adamw"},
    "adamw-restore": {"optimizer": "adamw", "optimizer_state": "restore"},
    "adamw-reset": {"optimizer": "adamw", "optimizer_state": "reset"},
    "cosine": {"lr_schedule": "cosine"},
    "warm-up": {"lr_warmup": 0.4},
    "one-cycle": {"lr_schedule": "one-cycle", "optimizer": "nesterov"},
    "smoothing": {"label_smoothing": 0.1},
    "all": {"optimizer": "adamw", "lr_schedule": "cosine", "lr_warmup": 0.2, "label_smoothing": 0.1, "method": "rigl"},
    "imp": {"optimizer": "adamw", "lr_schedule": "one-cycle", "method": "imp", "tau": 2.0, "options": {"rewind_epoch": 1}},
    "cs": {"optimizer": "adamw", "lr_schedule": "cosine", "label_smoothing": 0.1, "method": "cs"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_resume_after_any_segment_ends_with_the_same_bits(name: str) -> None:
    config = RunConfig(**{**SMALL, **KINDS[name]})
    segments = plan(config)
    state, snapshots = RunState.create(config), []
    for event in run_state(state, segments):
        if isinstance(event, SegmentDone):
            snapshots.append(state.snapshot())
    assert isinstance(event, Finished)
    for tensors, facts in snapshots:
        *_, last = run_state(RunState.restore(config, tensors, facts), segments)
        assert isinstance(last, Finished) and (last.weights_hash, last.cer) == (event.weights_hash, event.cer)


def torchs(name: str, config: RunConfig, model: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimizer as somebody would write it with torch alone."""
    if "adamw" in name:
        return torch.optim.AdamW(model.parameters(), lr=0.02, betas=(0.8, 0.99), weight_decay=0.05)
    return torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.8, weight_decay=0.05, nesterov=name == "nesterov")


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adamw"])
def test_steps_equal_those_of_torch_used_directly(name: str) -> None:
    settings = {**SMALL, "optimizer": name, "lr": 0.02, "momentum": 0.8, "beta2": 0.99, "weight_decay": 0.05, "label_smoothing": 0.1}
    config = RunConfig(**settings, lr_schedule="cosine", lr_warmup=0.3)
    state = RunState.create(config)
    theirs = create("lenet5", state.stream.data.shape, 10, config.seed, config.init).train()
    assert all(torch.equal(a, b) for a, b in zip(state.model.parameters(), theirs.parameters(), strict=True))
    optimizer = torchs(name, config, theirs)
    batches = list(state.stream.epoch(0, 0).batches(16))
    for step, (x, y) in enumerate(batches):
        rate = learning_rate(config, 0, step, len(batches))
        for group in (*state.optimizer.param_groups, *optimizer.param_groups):
            group["lr"] = rate
        train_step(state.model.train(), state.optimizer, [], x, y, Sums.zero(torch.device("cpu")), torch.float32, 0.1)
        optimizer.zero_grad()
        cross_entropy(theirs(x), y, label_smoothing=0.1).backward()
        optimizer.step()
    for (parameter, ours), other in zip(state.model.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-6, atol=1e-7, msg=parameter)


def test_an_epoch_takes_the_rates_of_its_plan() -> None:
    config = RunConfig(**SMALL, lr_schedule="cosine", batch_size=16)
    rates: list[float] = []
    state = RunState.create(config)
    descend = type(state.optimizer).step

    class Noting(type(state.optimizer)):  # type: ignore[misc]
        def step(self) -> None:
            rates.append(self.param_groups[0]["lr"])
            descend(self)

    state.optimizer.__class__ = Noting
    events = [event for event in run_state(state, plan(config)) if isinstance(event, EpochDone)]
    count = len(list(state.stream.epoch(0, 0).batches(16)))
    first = rates[: 3 * count]
    assert first == [learning_rate(config, epoch, step, count) for epoch in range(3) for step in range(count)]
    assert first[0] == config.lr and sorted(first, reverse=True) == first
    assert events[0].learning_rate == first[count - 1]


@pytest.mark.parametrize("name", ["adamw", "one-cycle", "smoothing"])
def test_runs_stay_paired_across_methods_and_criteria(name: str) -> None:
    found = []
    for values in ({"method": "dense"}, {"pruner": "snip"}, {"pruner": "magnitude"}, {"method": "gmp"}):
        events = list(run_state(state := RunState.create(RunConfig(**{**SMALL, "epochs": 1, **KINDS[name], **values})), plan(state.config)))
        (started,) = [event for event in events if isinstance(event, Started)]
        found.append((started.hashes, state.order_hash))
    assert all(one == found[0] for one in found)


def test_weights_that_come_back_have_no_moments() -> None:
    state = RunState.create(RunConfig(**SMALL, optimizer="adamw"))
    x, y = next(iter(state.stream.epoch(0, 0).batches(16)))
    train_step(state.model.train(), state.optimizer, [], x, y, Sums.zero(torch.device("cpu")), torch.float32)
    name = next(iter(state.masks))
    gone = {other: mask.clone() for other, mask in state.masks.items()}
    gone[name].view(-1)[::2] = False
    before = {path: value.clone() for path, value in state.momentum().items()}
    state.set_masks(gone)
    after = state.momentum()
    assert {path.partition("/")[2] for path in after} == {"step", "exp_avg", "exp_avg_sq"}
    for slot in ("exp_avg", "exp_avg_sq"):
        path = f"{name}/{slot}"
        assert (after[path][~gone[name]] == 0).all() and torch.equal(after[path][gone[name]], before[path][gone[name]])
        assert (before[path][~gone[name]] != 0).any()
    assert after[f"{name}/step"] == 1


def test_adamw_without_decay_is_adam() -> None:
    models = [create("lenet5", (1, 8, 8), 10, 0) for _ in range(2)]
    optimizers = [torch.optim.AdamW(models[0].parameters(), weight_decay=0.0), torch.optim.Adam(models[1].parameters())]
    for seed in range(3):
        x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))
