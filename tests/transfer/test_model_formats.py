"""Model files read again: zeros baked in, prune-compatible state in a prepared network, masks, ONNX run by the reference implementation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from torch.nn.utils import prune

from appcore import paths
from appcore.config import build
from appcore.errors import InputError
from appcore.models import base
from appcore.planning import plan
from appcore.runner import driver
from appcore.service import model_files
from appcore.storage.store import Store
from appcore.transfer import model_formats, onnx_file, reality_check, sparse_sizes

SETTINGS = {"arch": "lenet5", "dataset": "digits", "megabatches": 2, "epochs": 1, "limit_train": 200, "limit_test": 100, "device": "cpu"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    """A real run of a small network, trained to its end."""
    store = Store(tmp_path_factory.mktemp("store") / "runs.db")
    config = build(SETTINGS)
    run_id = store.create_run(config, group="", launcher="thread", plan_length=len(plan.plan(config)), title="small")
    assert driver.drive(store, run_id) == "done"
    return store, run_id


@pytest.fixture
def network(finished: tuple[Store, str]) -> model_formats.Network:
    store, run_id = finished
    return model_formats.load(store.get(run_id), paths.run_folder(store.folder, run_id))


def written(network: model_formats.Network, what: str, folder: Path) -> Path:
    return model_formats.write(network, what, folder, {"run_id": "a run"})


def logits(model: torch.nn.Module) -> torch.Tensor:
    images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model.eval()(images)


def test_zeros_are_baked_into_the_dense_file(network: model_formats.Network, tmp_path: Path) -> None:
    path = written(network, "dense", tmp_path)
    state = safetensors.torch.load_file(path)
    assert 0 < network.density < 1
    for name, mask in network.masks.items():
        assert torch.equal(state[name] != 0, mask)
    model = base.create("lenet5", (1, 8, 8), 10, seed=3)
    model.load_state_dict(state)
    assert torch.equal(logits(model), logits(network.model()))
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata()
    assert (about["arch"], json.loads(about["image_shape"]), about["run_id"]) == ("lenet5", [1, 8, 8], "a run")


def test_prune_state_loads_into_a_prepared_network(network: model_formats.Network, tmp_path: Path) -> None:
    state = safetensors.torch.load_file(written(network, "prune", tmp_path))
    model = base.create("lenet5", (1, 8, 8), 10, seed=3)
    for name in network.masks:
        prune.identity(model.get_submodule(name.removesuffix(".weight")), "weight")
    model.load_state_dict(state)  # strict: every weight_orig and weight_mask is there, and nothing else
    assert torch.equal(logits(model), logits(network.model()))
    for name in network.masks:
        prune.remove(model.get_submodule(name.removesuffix(".weight")), "weight")
    assert set(model.state_dict()) == set(network.state)


def test_masks_alone(network: model_formats.Network, tmp_path: Path) -> None:
    read = safetensors.torch.load_file(written(network, "masks", tmp_path))
    assert {name: mask.dtype for name, mask in read.items()} == dict.fromkeys(network.masks, torch.bool)
    assert all(torch.equal(read[name], mask) for name, mask in network.masks.items())


def test_onnx_gives_the_same_outputs_for_any_number_of_images(network: model_formats.Network, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    path = written(network, "onnx", tmp_path)
    images = torch.randn(3, 1, 8, 8)
    given = ReferenceEvaluator(str(path)).run(["logits"], {"images": images.numpy()})[0]
    with torch.inference_mode():
        assert np.allclose(given, network.model()(images).numpy(), atol=1e-4)


def test_without_the_package_onnx_it_is_told_and_the_rest_works(network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_formats, "_is_installed", lambda package: False)
    assert "pip install" in model_formats.can_be_made("onnx")
    with pytest.raises(InputError, match="onnx"):
        written(network, "onnx", tmp_path)
    assert model_formats.can_be_made("dense") == ""


def test_a_file_of_an_earlier_state_goes(network: model_formats.Network, tmp_path: Path) -> None:
    old = paths.model_file(tmp_path, "masks", 1)
    old.parent.mkdir()
    old.write_bytes(b"old")
    new = written(network, "masks", tmp_path)
    assert new.exists() and not old.exists()
    assert model_formats.made(tmp_path, network.cursor) == {"masks": new}
    with pytest.raises(InputError, match="choose one of dense"):
        written(network, "pickle", tmp_path)


def test_four_weights_packed_by_hand() -> None:
    values, mask = np.array([[1.0, 0, 0], [0, 0, 2.0]], np.float32), np.array([[1, 0, 0], [0, 0, 1]], bool)
    kept, bits = sparse_sizes.with_bitmask(values, mask)
    assert (kept.tolist(), bits.tolist()) == ([1, 2], [0b10000100])
    assert np.array_equal(sparse_sizes.from_bitmask(kept, bits, values.shape), values)
    kept, places = sparse_sizes.with_indices(values, mask)
    assert (places.tolist(), places.dtype) == ([0, 5], np.uint16)
    assert np.array_equal(sparse_sizes.from_indices(kept, places, values.shape), values)
    found = sparse_sizes.sizes({"w": values, "b": np.zeros(1, np.float32)}, {"w": mask})
    assert (found["raw"], found["bitmask"], found["indices"]) == (28, 4 + 8 + 1, 4 + 8 + 4)


def test_the_interval_of_a_median_and_turns() -> None:
    low, middle, high = reality_check.interval(np.arange(101.0))
    assert (low, middle, high) == (40, 50, 61)
    order: list[str] = []
    times = reality_check.alternate([lambda: order.append("a"), lambda: order.append("b")], seconds=0)
    assert times.shape == (2, reality_check.LEAST_ROUNDS)
    assert "".join(order[2 * reality_check.WARM_UP :])[:8] == "abbaabba"


def test_the_reality_check_holds_what_it_measured(finished: tuple[Store, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reality_check, "SECONDS", 0.1)
    store, run_id = finished
    made = model_files.Exports(store)
    made.start(run_id, "reality")
    made.start(run_id[:-1], "reality")  # the same by a unique beginning: made once
    state = waited(made, run_id, "reality")
    assert state["jobs"]["reality"] == {"status": "done", "words": ""}, state
    found = state["reality"]
    assert {check["name"]: check["is_equal"] for check in found["checks"] if check["name"] not in ("ONNX", "Shrunk")} == dict.fromkeys(
        ("Keys", "Density", "Outputs", "Accuracy", "Accuracy of the run"), True
    )
    assert found["bytes"]["bitmask"] < found["bytes"]["raw"]
    assert {time["batch"] for time in found["latency"]} == {1, 64}
    assert set(state["files"]) >= {"dense", "prune", "masks"}


@pytest.fixture(scope="module")
def filters(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    """A real run that lost whole filters."""
    store = Store(tmp_path_factory.mktemp("filters") / "runs.db")
    config = build({**SETTINGS, "granularity": "filter", "tau": 6.0})
    run_id = store.create_run(config, group="", launcher="thread", plan_length=len(plan.plan(config)), title="filters")
    assert driver.drive(store, run_id) == "done"
    return store, run_id


@pytest.mark.thorough
def test_the_shrunk_file_answers_as_the_masked_network_on_test_images(filters: tuple[Store, str], tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    store, run_id = filters
    network = model_formats.load(store.get(run_id), paths.run_folder(store.folder, run_id))
    path = written(network, "shrunk", tmp_path)
    assert path.suffix == ".onnx" and path.stat().st_size < 0.7 * written(network, "onnx", tmp_path).stat().st_size
    images, labels, _ = reality_check._images(network)
    assert labels is not None
    with torch.inference_mode():
        expected = network.model()(images).numpy()
    given = ReferenceEvaluator(str(path)).run(["logits"], {"images": images.numpy()})[0]
    assert np.abs(given - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())
    assert model_formats.made(tmp_path, network.cursor).keys() == {"shrunk", "onnx"}


def test_a_shrunk_file_is_offered_only_where_whole_channels_go(network: model_formats.Network, tmp_path: Path) -> None:
    assert "shrunk" in model_formats.offered({"granularity": "channel"}) and "shrunk" not in model_formats.offered({})
    if not model_formats.can_be_made("shrunk"):
        with pytest.raises(InputError, match="no channel can be removed"):
            written(network, "shrunk", tmp_path)


@pytest.mark.thorough
def test_a_network_with_pruned_filters_is_measured_shrunk_too(filters: tuple[Store, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: Path) -> Callable[[np.ndarray], np.ndarray]:
        onnx.checker.check_model(str(path))
        return lambda images: np.zeros((len(images), 10))

    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr(reality_check, "SECONDS", 0.1)
    monkeypatch.setattr(onnx_file, "has_runtime", lambda: True)
    monkeypatch.setattr(onnx_file, "opened", opened)
    monkeypatch.setattr(reality_check, "version", lambda package: "1.2")
    store, run_id = filters
    made = model_files.Exports(store)
    made.start(run_id, "reality")
    state = waited(made, run_id, "reality")
    found = state["reality"]
    assert {(time["runtime"], time["batch"]) for time in found["latency"]} == {
        (runtime, batch) for runtime in ("torch", "onnxruntime") for batch in (1, 64)
    }
    assert found["machine"]["onnxruntime"] == "1.2" and set(state["files"]) == {*model_formats.FORMATS}
    told = next(check for check in found["checks"] if check["name"] == "Shrunk")
    assert told["is_equal"] and "right, as masked" in told["text"]
    assert found["shrunk_bytes"] < found["bytes"]["raw"]
    assert all(time["shrunk"]["ratio"] > 0 for time in found["latency"])


def waited(made: model_files.Exports, run_id: str, what: str) -> dict:
    deadline = time.monotonic() + 60
    while (state := made.state(run_id))["jobs"][what]["status"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return state


def test_the_thread_tells_failures_and_goes_on(finished: tuple[Store, str]) -> None:
    store, run_id = finished
    config = build({**SETTINGS, "seed": 1})
    empty = store.create_run(config, group="", launcher="thread", plan_length=5, title="")
    made = model_files.Exports(store)
    made.start(empty, "dense")
    made.start(run_id, "masks")
    assert "has no checkpoint" in waited(made, empty, "dense")["jobs"]["dense"]["words"]
    assert waited(made, run_id, "masks")["jobs"]["masks"]["status"] == "done"
    assert made.state(empty)["cursor"] is None
    with pytest.raises(InputError, match="choose one of dense"):
        made.start(run_id, "pickle")
    with pytest.raises(InputError):
        made.start("no such run", "dense")


def test_a_network_whose_data_are_gone_is_checked_on_noise(network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.engine import data

    monkeypatch.setattr(data, "load_data", lambda *_: (_ for _ in ()).throw(InputError("gone")))
    images, labels, words = reality_check._images(network)
    assert (tuple(images.shape), labels) == ((64, 1, 8, 8), None)
    assert "fixed noise" in words


@pytest.mark.parametrize("what", model_formats.offered({}))
def test_a_format_that_cannot_be_made_leaves_the_others_measured(
    finished: tuple[Store, str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refused(*_: object) -> None:
        raise InputError("no such file here; take another", "format")

    monkeypatch.setattr(reality_check, "SECONDS", 0.05)
    monkeypatch.setitem(model_formats._WRITERS, what, refused)
    store, run_id = finished
    for made in paths.run_folder(store.folder, run_id).rglob(f"{what}-*"):
        made.unlink()
    state = waited(exports := model_files.Exports(store), exports.start(run_id, "reality") or run_id, "reality")
    assert state["jobs"]["reality"]["status"] == "done" and set(state["files"]) == {*model_formats.offered({})} - {what}
    checks = {check["name"]: check for check in state["reality"]["checks"]}
    assert checks[model_formats.FORMATS[what]] == {
        "name": model_formats.FORMATS[what],
        "is_equal": None,
        "text": "no such file here; take another",
    }
    assert all(checks[name]["is_equal"] for name in ("Keys", "Density", "Outputs", "Accuracy"))
    assert state["reality"]["latency"] and state["reality"]["bytes"]["raw"]


def test_an_onnx_file_that_cannot_be_run_here_is_unknown(network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.transfer import onnx_file

    monkeypatch.setattr(onnx_file, "run", lambda *_: (_ for _ in ()).throw(NotImplementedError("raw sentences")))
    found = reality_check._onnx(network, "onnx", tmp_path / "a.onnx", torch.zeros(2, 1, 8, 8), torch.zeros(2, 10))
    assert found["is_equal"] is None and "raw sentences" not in found["text"]


def test_a_disk_that_is_full_is_one_line(network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for problem, says in ((OSError(28, "No space left on device"), "No space left"), (MemoryError(), "not enough memory")):
        monkeypatch.setitem(model_formats._WRITERS, "dense", lambda *_, problem=problem: (_ for _ in ()).throw(problem))
        with pytest.raises(InputError, match=rf"could not be written \({says}.*\); free space or memory"):
            written(network, "dense", tmp_path)


def test_prune_state_reaches_a_layer_whose_weights_are_read_without_a_call() -> None:
    class Reads(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.linear(x, self.inner.weight, self.inner.bias)

    model, x = Reads(), torch.ones(2, 4)
    prune.identity(model.inner, "weight")
    weight, mask = torch.arange(12.0).view(3, 4), torch.tensor([[1.0, 0, 1, 0]]).expand(3, 4)
    model_formats.put_prune_state(model, {"inner.bias": torch.zeros(3), "inner.weight_orig": weight, "inner.weight_mask": mask})
    assert torch.equal(model(x), x @ (weight * mask).T)
