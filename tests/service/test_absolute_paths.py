"""A run keeps the absolute path of its images, so that it goes on from any folder; one that cannot go on stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from hostile_images import encoded, folder_of, plain
from PIL import Image

from appcore import RunConfig, paths
from appcore.cli.main import main
from appcore.config import anchored, build
from appcore.errors import InputError
from appcore.runner import driver
from appcore.service.manager import Manager
from appcore.storage.store import Store
from appcore.ui.runs.files import settings

SMALL = {"arch": "mlp", "method": "dense", "megabatches": 2, "epochs": 1, "batch_size": 8, "crop_padding": 0, "device": "cpu"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with images in it."""
    folder = tmp_path / "here"
    folder_of(
        folder / "tiny", {f"{split}/{label}/{n}.png": plain((n, 0, 0)) for split in ("train", "test") for label in "ab" for n in range(8)}
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def manager(here: Path) -> Any:
    found = Manager(Store())
    yield found
    found.close()


def stopped(manager: Manager, **columns: Any) -> str:
    """A run of two megabatches that was stopped after the first."""
    run_id = manager.store.create_run(build({**SMALL, "dataset": "images:tiny"}).anchored(), plan_length=6)
    driven = driver.steps(manager.store, run_id)
    while not paths.manifests(paths.run_folder(manager.store.folder, run_id)):
        next(driven)
    driven.close()
    assert manager.get(run_id)["status"] == "stopped"
    manager.store.update(run_id, **columns)
    return run_id


@pytest.mark.parametrize("typed", ["tiny", "./tiny", "tiny/", "../here/tiny"])
def test_a_run_keeps_the_absolute_path(manager: Manager, here: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    (run_id,) = manager.start([{**SMALL, "dataset": f"images:{typed}"}])
    row = manager.get(run_id)
    path = Path(row["dataset"].removeprefix("images:"))
    assert row["config"]["dataset"] == row["dataset"] and path.is_absolute() and path.samefile(here / "tiny")
    assert manager.wait(run_id, timeout=60) == "done"
    assert build(row["config"]).fingerprint == row["fingerprint"]


def test_a_home_folder_is_spelled_out_and_other_names_stay(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setenv("HOME", "/home/her")
    assert anchored("images:~/pictures") == "images:/home/her/pictures"
    assert anchored("images:a:b") == f"images:{here}/a:b" and anchored("images:/x/y.zip") == "images:/x/y.zip"
    assert (
        anchored("digits") == "digits"
        and anchored("nonsense:x") == "nonsense:x"
        and anchored("images:~nobody-here/x").endswith("~nobody-here/x")
    )
    assert RunConfig(arch="torchvision:mobilenet_v2").anchored().arch == "torchvision:mobilenet_v2"


def test_stopped_here_it_goes_on_elsewhere(manager: Manager, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = manager.start([{**SMALL, "dataset": "images:tiny"}])
    assert manager.wait(whole, timeout=60) == "done"
    run_id = stopped(manager)
    monkeypatch.chdir(here.parent / "elsewhere")
    manager.resume(run_id)
    assert manager.wait(run_id, timeout=60) == "done"
    assert manager.get(run_id)["totals"]["weights_hash"] == manager.get(whole)["totals"]["weights_hash"]


def test_the_command_line_an_ablation_and_imported_settings_keep_it_too(
    manager: Manager, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    assert main(["run", *flags, "--dataset", "images:tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["dataset"] == f"images:{here}/tiny"
    sweep = manager.ablations.create("", {**SMALL, "dataset": "images:tiny"}, {"seed": [0, 1]})
    assert manager.ablations.get(sweep)["base"]["dataset"] == f"images:{here}/tiny"
    axes = manager.ablations.create("", SMALL, {"dataset": ["images:tiny", "digits"], "limit_train": [16]})
    assert manager.ablations.get(axes)["axes"]["dataset"] == [f"images:{here}/tiny", "digits"]
    (run_id,) = manager.start([settings(json.dumps({**SMALL, "dataset": "images:tiny"}).encode())])
    assert manager.get(run_id)["dataset"] == f"images:{here}/tiny"
    assert manager.wait(run_id, timeout=60) == "done"


@pytest.mark.thorough
def test_an_ablation_finds_its_runs_and_starts_missing_ones_from_elsewhere(
    manager: Manager, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = manager.ablations.create("", {**SMALL, "dataset": "images:tiny"}, {"seed": [0, 1]})
    monkeypatch.chdir(here.parent / "elsewhere")
    started = manager.ablations.run_missing(sweep)["started"]
    assert len(started) == 2 and [manager.wait(run_id, timeout=60) for run_id in started] == ["done"] * 2
    assert [cell["run"]["run_id"] for cell in manager.ablations.board(sweep)["cells"]] == started
    assert manager.ablations.run_missing(sweep) == {"reused": [], "started": []}


@pytest.mark.thorough
def test_an_ablation_of_an_earlier_version_keeps_its_runs(manager: Manager, here: Path) -> None:
    base = {**SMALL, "dataset": "images:tiny"}
    sweep = manager.store.ablations.create("old", base, {"seed": [0, 1]})
    old = manager.store.create_run(build({**base, "seed": 0}), plan_length=6)
    manager.store.update(old, status="done")
    manager.store.ablations.add_runs(sweep, [old])
    assert [cell["run"] and cell["run"]["run_id"] for cell in manager.ablations.board(sweep)["cells"]] == [old, None]
    started = manager.ablations.run_missing(sweep)["started"]
    assert len(started) == 1 and manager.wait(started[0], timeout=60) == "done"
    assert [cell["run"]["run_id"] for cell in manager.ablations.board(sweep)["cells"]] == [old, *started]


# ---- a run that cannot go on


def gone(here: Path, manager: Manager, run_id: str) -> str:
    (here / "tiny").rename(here / "away")
    return "does not exist"


def class_gone(here: Path, manager: Manager, run_id: str) -> str:
    (here / "tiny" / "train" / "a").rename(here / "away")
    return "class a is in test/ but not in train/"


def plugin_gone(here: Path, manager: Manager, run_id: str) -> str:
    manager.store.update(run_id, config={**manager.get(run_id)["config"], "pruner": "gone"})
    return "unknown name 'gone'"


@pytest.mark.parametrize("status", ["stopped", "failed", "lost"])
@pytest.mark.parametrize("harm", [gone, class_gone, plugin_gone])
def test_what_cannot_go_on_stays_as_it_was(
    manager: Manager, here: Path, harm: Callable[[Path, Manager, str], str], status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = stopped(manager, status=status, error="an earlier error", traceback="earlier")
    says = harm(here, manager, run_id)
    before = manager.get(run_id)
    with pytest.raises(InputError) as caught:
        manager.resume(run_id)
    assert says in caught.value.message
    assert main(["resume", run_id, "--json"]) == 2
    said = capsys.readouterr()
    assert says in said.err and says in json.loads(said.out)["error"] and said.err.count("error: ") == 1
    assert manager.get(run_id) == before and before["status"] == status


def test_put_back_it_goes_on(manager: Manager, here: Path) -> None:
    run_id = stopped(manager)
    gone(here, manager, run_id)
    with pytest.raises(InputError):
        manager.resume(run_id)
    (here / "away").rename(here / "tiny")
    manager.resume(run_id)
    assert manager.wait(run_id, timeout=60) == "done"


@pytest.mark.thorough
def test_what_only_decoding_shows_leaves_it_stopped(manager: Manager, here: Path) -> None:
    run_id = stopped(manager)
    path = here / "tiny" / "train" / "a" / "0.png"
    whole = path.read_bytes()
    noise = numpy.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype("uint8")
    path.write_bytes(encoded(Image.fromarray(noise))[:120])  # its header is sound
    manager.resume(run_id)
    assert manager.wait(run_id, timeout=60) == "stopped"
    assert "0.png cannot be read as an image" in manager.get(run_id)["error"]
    path.write_bytes(whole)
    manager.resume(run_id)
    assert manager.wait(run_id, timeout=60) == "done" and manager.get(run_id)["error"] is None
