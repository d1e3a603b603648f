"""Estimates of time: from earlier runs, from a few steps, and none where the machine is too busy to tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appcore.config import RunConfig, build
from appcore.engine import estimate as module
from appcore.engine.estimate import estimate
from appcore.errors import BusyError

SMALL = {"arch": "mlp", "dataset": "digits", "limit_train": 200, "limit_test": 50, "megabatches": 2, "epochs": 1, "device": "cpu"}
LARGE = {"arch": "resnet20", "dataset": "digits", "batch_size": 512, "megabatches": 2, "epochs": 1, "device": "cpu"}


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_speeds", {})
    monkeypatch.setattr(module, "_cores_of_others", lambda: 0.0)
    monkeypatch.setattr(module, "threads_for", lambda flops, device: 2 if flops > 2e9 else 1)


def busy(function: Callable[[], Any]) -> Any:
    raise BusyError


def others_use(cores: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other programs use this many cores, before and while steps are timed."""
    monkeypatch.setattr(module, "_cores_of_others", lambda: cores)
    monkeypatch.setattr(module._Step, "timed", lambda step, threads: (step.images / 1000.0, step.images / 2000.0, cores))


def test_an_earlier_run_of_the_same_shape_gives_its_own_time() -> None:
    config = build(SMALL)
    found = estimate(config, [(config, 12.5)])
    assert found["seconds"] == pytest.approx(12.5) and found["measured_on"] == "an earlier run with the same steps"
    longer = estimate(build({**SMALL, "epochs": 3}), [(config, 12.5)], busy)
    assert longer["measured_on"] == "an earlier run with the same steps; another run trains here now, so it may take longer"
    assert 2 * 12.5 < longer["seconds"] < 3.1 * 12.5


def test_the_middle_one_of_the_newest_three_counts() -> None:
    config = build(SMALL)
    earlier = [(config, seconds) for seconds in (10.0, 90.0, 12.0, 1.0)]
    found = estimate(config, earlier, busy)
    assert found["seconds"] == pytest.approx(12.0) and "3 earlier runs" in found["measured_on"]


@pytest.mark.parametrize("other", [{"arch": "lenet5"}, {"batch_size": 64}, {"method": "dense"}, {"precision": "bf16"}])
def test_runs_with_other_steps_tell_nothing(other: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    others_use(0.0, monkeypatch)
    found = estimate(build(SMALL), [(build({**SMALL, **other}), 12.5)])
    assert found["images_per_second"] == 1000.0 and found["measured_on"] == "a few steps on this machine"


def test_on_a_busy_machine_a_team_of_threads_cannot_be_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    others_use(1.5, monkeypatch)
    found = estimate(build(LARGE))
    assert found["seconds"] is None and found["images_per_second"] is None
    assert found["measured_on"].startswith("other programs use 1.5 of")
    assert found["samples"] > 0 and found["memory_bytes"] > 0
    others_use(0.1, monkeypatch)
    assert estimate(build(LARGE))["images_per_second"] == 1000.0, "what was not known must be asked again"


def test_on_a_busy_machine_recent_runs_of_the_network_say_how_fast_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    others_use(1.5, monkeypatch)
    recent = build({**LARGE, "batch_size": 64})
    alone = estimate(recent, [(recent, 40.0)])["images_per_second"]
    found = estimate(build(LARGE), [(recent, 40.0), (build(SMALL), 1.0)])  # other steps, the same FLOPs for an image
    assert found["images_per_second"] == pytest.approx(alone)
    assert found["measured_on"].startswith("1 recent run of this network, by FLOPs; other programs use 1.5 of")


def test_one_thread_is_timed_by_its_own_clock_then(monkeypatch: pytest.MonkeyPatch) -> None:
    others_use(1.5, monkeypatch)
    found = estimate(build(SMALL))
    assert found["images_per_second"] == 2000.0 and "may take longer" in found["measured_on"]
    others_use(0.0, monkeypatch)
    assert estimate(build(SMALL))["images_per_second"] == 1000.0


def test_while_a_run_trains_here_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    others_use(0.0, monkeypatch)
    assert estimate(build(LARGE), (), busy)["measured_on"].startswith("another run trains here")


def test_real_steps_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUSY_CORES", 1000.0)
    config: RunConfig = build(SMALL)
    found = estimate(config)
    assert found["images_per_second"] > 10 and found["seconds"] > 0
    assert estimate(config)["images_per_second"] == found["images_per_second"]
