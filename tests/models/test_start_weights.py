"""Runs that begin with the weights of a safetensors file: checked before they start, told by content, resumed with equal bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import appcore
from appcore import RunConfig
from appcore.engine.digests import digest
from appcore.engine.first_and_last import started
from appcore.engine.loop import run as events_of
from appcore.engine.state import RunState
from appcore.errors import InputError, OverLimitError
from appcore.models import base
from appcore.planning.plan import plan
from appcore.service.manager import Manager
from appcore.storage.store import Store

SMALL: dict[str, Any] = {"arch": "lenet5", "limit_train": 120, "limit_test": 30, "megabatches": 2, "epochs": 1, "device": "cpu"}


def values(**others: Any) -> dict[str, torch.Tensor]:
    return {**base.create("lenet5", (1, 8, 8), 10, seed=7).state_dict(), **others}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "start@home.safetensors"
    save_file(values(), found)
    return found


def test_a_run_begins_with_them_and_what_is_missing_comes_from_the_seed(file: Path) -> None:
    whole, drawn = RunState.create(RunConfig(weights=str(file), **SMALL)), RunState.create(RunConfig(**SMALL))
    assert digest(whole.model.state_dict()) == digest(values()) == whole.init_hash != drawn.init_hash
    names = list(values())
    save_file({name: tensor.half() for name, tensor in values().items() if name in names[:2]}, file)
    part = RunState.create(RunConfig(weights=str(file), **SMALL))
    for place, (name, tensor) in enumerate(part.model.state_dict().items()):
        assert torch.equal(tensor, (values()[name].half().float() if place < 2 else drawn.model.state_dict()[name])), name
    assert f"began with 2 of {len(names)} tensors from start@home.safetensors; drawn by the seed: {names[2]}" in started(part).notes[-1]


def test_its_content_is_part_of_the_experiment_and_a_changed_file_is_noticed(file: Path, tmp_path: Path) -> None:
    config = RunConfig(weights=str(file), **SMALL).anchored()
    assert config.weights == RunConfig(weights=config.weights, **SMALL).anchored().weights and "@" in config.weights
    whole = RunState.create(config)
    list(events_of(whole, plan(config)))
    part = RunState.create(config)
    list(events_of(part, plan(config)[:3]))
    resumed = RunState.restore(config, *part.snapshot())
    list(events_of(resumed, plan(config)))
    assert digest(resumed.model.state_dict()) == digest(whole.model.state_dict())
    (run_id,) = appcore.train(config)
    row = Store().get(run_id)
    assert row["fingerprint"] == config.fingerprint and row["config"]["weights"] == config.weights
    save_file({name: tensor + 1 for name, tensor in values().items()}, file)
    other = RunConfig(weights=str(file), **SMALL).anchored()
    assert other.fingerprint != config.fingerprint != RunConfig(**SMALL).fingerprint
    with pytest.raises(InputError, match=r"has changed since the run was set up.*put the file back"):
        Manager().start([config.model_dump(mode="json")])


def test_settings_without_it_mean_what_they_meant() -> None:
    assert RunConfig(**SMALL).anchored().weights == "" and "weights" not in str(RunConfig().model_dump(exclude_defaults=True))


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (lambda: values(extra=torch.zeros(1)), r"has extra, and no tensor of the network is called so"),
        (lambda: {"a.weight": torch.zeros(1)}, r"it is of another network; the network has"),
        (lambda: {next(iter(values())): torch.zeros(3)}, r"is \[3\] in .* and \[.*leave it out of the file to have it drawn by the seed"),
        (dict, r"holds no tensors"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tensors: Any, says: str, file: Path) -> None:
    save_file(tensors(), file)
    with pytest.raises(InputError, match=says) as error:
        Manager().start([{**SMALL, "weights": str(file)}])
    assert error.value.field == "weights" and not Store().runs()


def test_no_such_file_no_safetensors_and_values_that_are_none(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no safetensors file; give the path of one.*pickles"):
        RunConfig(weights="model.pt")
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        RunConfig(weights=str(tmp_path / "gone.safetensors"), **SMALL).anchored()
    file.write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(InputError, match=r"cannot be read as safetensors"):
        Manager().start([{**SMALL, "weights": str(file)}])
    name = next(iter(values()))
    save_file(values(**{name: values()[name] * float("nan")}), file)
    with pytest.raises(InputError, match=r"not finite"):
        RunState.create(RunConfig(weights=str(file), **SMALL))


def test_a_server_reads_them_from_its_folders_only(file: Path) -> None:
    Store().folder.mkdir(parents=True, exist_ok=True)
    (Store().folder / "limits.toml").write_text('image_folders = ["/srv/images"]')
    for ask in (lambda: Manager().start([{**SMALL, "weights": str(file)}]), lambda: RunState.create(RunConfig(weights=str(file), **SMALL))):
        with pytest.raises(OverLimitError, match=r"weights: weights may not be read from there .*limit image_folders"):
            ask()
