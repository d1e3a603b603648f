"""timm:NAME: built without values or downloads, started from the seed, trained and resumed with equal bits."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

from appcore import RunConfig, run
from appcore.engine.digests import digest
from appcore.engine.loop import run as events_of
from appcore.engine.state import RunState
from appcore.errors import InputError
from appcore.models import base
from appcore.planning.plan import plan
from appcore.testing.plugin_suites import ModelSuite


class Small(ModelSuite):
    shapes = ((3, 64, 64), (1, 32, 32))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"timm:resnet10t needs the package timm; run pip install timm, or choose torchvision:NAME"):
        base.skeleton("timm:resnet10t", (3, 32, 32), 10)


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("timm", reason="needs the package timm: pip install timm")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "mobilenetv3_small_050", "convnext_atto", "resnetv2_50"])
def test_they_keep_the_contract_of_a_network(name: str, timm: Any) -> None:
    Small().test_it_takes_images_on_the_meta_device(f"timm:{name}")
    Small().test_the_seed_gives_the_network(f"timm:{name}")


@pytest.mark.thorough
def test_parameters_are_timms_and_noise_is_gone(timm: Any) -> None:
    ours = base.skeleton("timm:efficientnet_b0", (3, 64, 64), 1000)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 5_288_548  # as timm documents it
    assert not any("Drop" in type(module).__name__ for module in ours.modules())


def test_a_name_that_there_is_not_is_answered_with_those_like_it(timm: Any) -> None:
    with pytest.raises(InputError, match=r"timm has no network 'resnet81'; do you mean .*resnet18"):
        base.skeleton("timm:resnet81", (3, 32, 32), 10)


def test_images_of_another_size_than_a_network_takes_are_one_line(timm: Any) -> None:
    with pytest.raises(InputError, match=r"cannot take images of 3 x 8 x 8"):
        base.skeleton("timm:vit_tiny_patch16_224", (3, 8, 8), 10)


@pytest.mark.slow
def test_a_run_is_resumed_with_equal_bits(timm: Any) -> None:
    small: dict[str, Any] = {"limit_train": 60, "limit_test": 20, "megabatches": 2, "epochs": 1, "device": "cpu"}
    config = RunConfig(arch="timm:resnet10t", **small)
    whole = RunState.create(config)
    list(events_of(whole, plan(config)))
    part = RunState.create(config)
    list(events_of(part, plan(config)[:3]))
    torch.rand(3)
    resumed = RunState.restore(config, *part.snapshot())
    list(events_of(resumed, plan(config)))
    assert digest(resumed.model.state_dict()) == digest(whole.model.state_dict())
    assert list(run(config))[-1].weights_hash == digest(whole.model.state_dict())
