"""Data, software and machine that change under a stopped run: other data are refused and leave it as it was, the rest is noted."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from appcore import paths
from appcore.cli.main import main
from appcore.config import build
from appcore.engine.data import load_data, pick_device
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.runner import driver, hardware
from appcore.runner.engine_port import Engine
from appcore.service.manager import Manager
from appcore.storage.store import Store

SETTINGS = {"arch": "mlp", "megabatches": 2, "epochs": 2, "batch_size": 8, "crop_padding": 1, "device": "cpu"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Noise in two shades, one for each class."""
    folder, draw = tmp_path / "photos", numpy.random.default_rng(0)
    for (split, count), (shade, name) in product((("train", 14), ("test", 4)), enumerate("ab")):
        (folder / split / name).mkdir(parents=True)
        for number in range(count):
            pixels = draw.integers(0, 100, (8, 8, 3), dtype=numpy.uint8) + 100 * shade
            Image.fromarray(pixels.astype(numpy.uint8)).save(folder / split / name / f"{number:02d}.png")
    return folder


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


def add(store: Store, dataset: Path, **settings: Any) -> str:
    config = build({**SETTINGS, "dataset": f"images:{dataset}", **settings})
    return store.create_run(config, plan_length=len(plan(config)))


def stopped(store: Store, dataset: Path, **settings: Any) -> str:
    """A run that was stopped in its second megabatch."""
    run_id = add(store, dataset, **settings)
    with closing(driver.steps(store, run_id)) as driven:
        while store.get(run_id)["saved"] in (None, 0):
            next(driven)
    assert store.get(run_id)["status"] == "stopped"
    return run_id


def kept(store: Store, run_id: str) -> tuple[Any, ...]:
    """All that a refusal must leave alone."""
    row = store.get(run_id)
    frames = [getattr(store, name)(run_id).to_json() for name in ("epochs", "megabatches", "prunes", "layers")]
    folder = paths.run_folder(store.folder, run_id)
    files = {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return *(row[name] for name in ("status", "cursor", "saved", "hashes", "started", "versions", "notes")), frames, files


def exchange(images: Path) -> None:
    for split in ("train", "test"):
        (images / split / "a").rename(images / split / "c")
        (images / split / "b").rename(images / split / "a")
        (images / split / "c").rename(images / split / "b")


def zipped(images: Path, how: int = zipfile.ZIP_STORED, *, backwards: bool = False) -> Path:
    archive = images.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", how) as file:
        for path in sorted(images.rglob("*.png"), reverse=backwards):
            file.write(path, path.relative_to(images).as_posix())
    return archive


def move_a_label(images: Path) -> None:
    (images / "train" / "a" / "00.png").rename(images / "train" / "b" / "00a.png")
    (images / "train" / "b" / "00.png").rename(images / "train" / "a" / "00.png")


def change_a_pixel(path: Path) -> None:
    image = Image.open(path)
    image.load()
    image.putpixel((3, 3), (1, 2, 3))
    image.save(path)


def rename_a_class(images: Path) -> None:
    for split in ("train", "test"):
        (images / split / "b").rename(images / split / "bb")


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "two class folders exchanged": (exchange, "other pixels, labels or class names"),
    "one label": (move_a_label, "other pixels, labels or class names"),
    "one pixel": (lambda images: change_a_pixel(images / "train" / "a" / "03.png"), "other pixels, labels or class names"),
    "one pixel of a test image": (lambda images: change_a_pixel(images / "test" / "b" / "01.png"), "other pixels, labels or class names"),
    "the name of a class": (rename_a_class, "other pixels, labels or class names"),
    "the order of two images": (
        lambda images: (images / "train" / "a" / "00.png").rename(images / "train" / "a" / "99.png"),
        "other pixels, labels or class names",
    ),
    "one image fewer": (lambda images: (images / "train" / "a" / "13.png").unlink(), "images to train on 28, now 27"),
    "one test image more": (
        lambda images: shutil.copy(images / "test" / "a" / "00.png", images / "test" / "a" / "77.png"),
        "images to test on 8, now 9",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", CHANGES)
def test_other_data_are_refused_and_put_back_the_run_goes_on_with_the_same_bits(name: str, images: Path, store: Store) -> None:
    change, words = CHANGES[name]
    whole = add(store, images)
    assert driver.drive(store, whole) == "done"
    run_id = stopped(store, images)
    shutil.copytree(images, images.with_name("copy"))
    before = kept(store, run_id)
    change(images)
    assert driver.drive(store, run_id) == "stopped"
    row = store.get(run_id)
    assert words in row["error"] and "start a new run" in row["error"] and "\n" not in row["error"] and row["traceback"] is None
    assert kept(store, run_id) == before
    shutil.rmtree(images)
    images.with_name("copy").rename(images)
    assert driver.drive(store, run_id) == "done"
    assert store.get(run_id)["error"] is None
    assert store.get(run_id)["totals"]["weights_hash"] == store.get(whole)["totals"]["weights_hash"]
    assert store.get(run_id)["hashes"] == store.get(whole)["hashes"]


def test_what_a_run_does_not_use_may_change(images: Path, store: Store) -> None:
    """Of limit_train images the hash is that of those which are used; other files, times and the packing do not count."""
    run_id = stopped(store, images, limit_train=20, limit_test=4)
    config = build(store.get(run_id)["config"])
    before = load_data(config, pick_device("cpu"))
    used = {array.tobytes() for array in before.train_x[:, 1:-1, 1:-1].numpy()}
    unused = [path for path in sorted((images / "train").rglob("*.png")) if numpy.asarray(Image.open(path)).tobytes() not in used]
    assert len(unused) == 8
    del before
    change_a_pixel(unused[0])
    for path in images.rglob("*.png"):
        path.touch()
    assert driver.drive(store, run_id) == "done"


def test_the_same_images_in_a_zip_and_packed_again_are_the_same_data(images: Path, store: Store) -> None:
    run_id = stopped(store, zipped(images))
    folder = stopped(store, images)
    assert store.get(run_id)["hashes"] == store.get(folder)["hashes"]
    zipped(images, zipfile.ZIP_DEFLATED, backwards=True)
    assert driver.drive(store, run_id) == "done"


def test_before_its_first_checkpoint_a_run_begins_anew_with_the_data_that_are_there(images: Path, store: Store) -> None:
    run_id = add(store, images)
    with closing(driver.steps(store, run_id)) as driven:
        next(driven)
    exchange(images)
    other = add(store, images)
    assert [driver.drive(store, each) for each in (run_id, other)] == ["done", "done"]
    assert store.get(run_id)["hashes"] == store.get(other)["hashes"]
    assert any("differ from those that the run began with (hash of data)" in note for note in store.get(run_id)["notes"])


def without_data_hash(store: Store, run_id: str) -> None:
    """As an earlier version left it."""
    row = store.get(run_id)
    hashes = {name: value for name, value in row["hashes"].items() if name != "data"}
    versions = {name: row["versions"][name] for name in ("torch", "numpy", "machine", "threads")}
    store.update(run_id, hashes=hashes, started={**row["started"], "hashes": hashes}, versions=versions)


@pytest.mark.thorough
def test_a_run_of_an_earlier_version_goes_on_with_a_note_and_is_refused_other_sizes(images: Path, store: Store) -> None:
    run_id, other = stopped(store, images), stopped(store, images)
    for each in (run_id, other):
        without_data_hash(store, each)
    assert driver.drive(store, run_id) == "done"
    row = store.get(run_id)
    assert any("kept no hash of the data" in note for note in row["notes"]) and set(row["hashes"]) == {"init", "order", "scoring"}
    assert row["versions"]["torch"] == torch.__version__ and row["versions"]["device"] == row["started"]["device"]
    (images / "train" / "a" / "13.png").unlink()
    assert driver.drive(store, other) == "stopped"
    assert "images to train on 28, now 27" in store.get(other)["error"]


def test_other_software_and_another_cpu_are_noted_and_the_run_goes_on(images: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_vendor", lambda: "AuthenticAMD")  # not every system tells it
    run_id = stopped(store, images)
    here = Engine().versions()
    assert {"torch", "torchvision", "appcore", "numpy", "pillow", "machine", "cpu", "vendor", "threads"} == set(here)
    assert store.get(run_id)["versions"] == {**here, "device": store.get(run_id)["started"]["device"]}
    there = {**here, "torchvision": "0.99", "cpu": "AVX9000", "vendor": "GenuineIntel", "threads": 77}
    monkeypatch.setattr(Engine, "versions", lambda self: there)
    assert driver.drive(store, run_id) == "done"
    row = store.get(run_id)
    (note,) = [note for note in row["notes"] if note.startswith("written with")]
    for name in ("torchvision", "cpu", "vendor", "threads"):
        assert f"{name} {here[name]}, now {there[name]}" in note
        assert row["versions"][name] == f"{here[name]}, then {there[name]}"
    assert "torch 2" not in note and row["versions"]["torch"] == here["torch"]


@pytest.mark.thorough
def test_data_that_are_gone_leave_a_stopped_run_stopped(images: Path, store: Store) -> None:
    run_id, fresh = stopped(store, images), add(store, images)
    before = kept(store, run_id)
    images.rename(images.with_name("away"))
    assert driver.drive(store, run_id) == "stopped" and "does not exist" in store.get(run_id)["error"]
    assert kept(store, run_id) == before
    assert driver.drive(store, fresh) == "failed"  # it never began, so there is nothing to keep
    images.with_name("away").rename(images)
    assert [driver.drive(store, each) for each in (run_id, fresh)] == ["done", "done"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["thread", "process"])
def test_resume_says_it_on_the_command_line(launcher: str, images: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = stopped(store, images)
    store.update(run_id, launcher=launcher)
    before = kept(store, run_id)
    exchange(images)
    assert main(["resume", run_id]) == 2
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert "has changed since the run began" in line and "start a new run" in line and "Traceback" not in said.err
    now = kept(store, run_id)
    assert now[:-1] == before[:-1] and set(now[-1]) - set(before[-1]) <= {"worker.log"}


@pytest.mark.parametrize("packed", [False, True])
def test_runs_in_memory_share_images_only_while_the_files_are_the_same(images: Path, packed: bool) -> None:
    for file in images.rglob("*.png"):
        os.utime(file, (10**9, 10**9))  # as unpacked by a program that sets times
    path = zipped(images) if packed else images
    config, cpu = build({**SETTINGS, "dataset": f"images:{path}"}), torch.device("cpu")
    held = load_data(config, cpu)
    assert load_data(config, cpu) is held
    exchange(images)
    if packed:
        zipped(images)
    other = load_data(config, cpu)
    assert other.digest != held.digest and load_data(config, cpu) is other


@pytest.mark.slow
def test_a_sweep_of_changed_data_says_so(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--arch", "mlp", "--method", "dense", "--megabatches", "1", "--epochs", "1", "--batch-size", "8", "--crop-padding", "0"]
    command = ["sweep", *settings, "--dataset", f"images:{images}", "--seed", "0,1", "--launcher", "thread"]

    def notes() -> str:
        assert main(command) == 0
        return "".join(line for line in capsys.readouterr().out.splitlines() if line.startswith("note: "))

    assert notes() == ""
    exchange(images)
    assert notes() == "note: The images or labels were changed after 2 runs of these; delete them to train anew."
    with closing(Store()) as store:
        store.delete(store.runs()[0]["run_id"])
    assert "changed between these runs" in notes()


@pytest.mark.slow
def test_an_ablation_uses_a_run_again_only_while_its_data_are_there(images: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appcore.service.ablations.TWICE_SECONDS", 0.0)
    manager = Manager(store)
    base, axes = {**SETTINGS, "dataset": f"images:{images}"}, {"pruner": ["snip", "magnitude"]}
    first = [driver.drive(store, add(store, images, pruner=pruner)) for pruner in axes["pruner"]]
    assert first == ["done", "done"]
    ids = sorted(row["run_id"] for row in store.runs())
    try:
        assert manager.ablations.run_missing(manager.ablations.create("same", base, axes)) == {"reused": ids, "started": []}
        exchange(images)
        found = manager.ablations.run_missing(manager.ablations.create("other", base, axes))
        assert found["reused"] == [] and len(found["started"]) == 2
        assert [manager.wait(run_id, 60.0) for run_id in found["started"]] == ["done", "done"]
        again = manager.ablations.run_missing(manager.ablations.create("again", base, axes))
        assert again == {"reused": sorted(found["started"]), "started": []}
        exchange(images)  # back: the first ones fit again
        assert manager.ablations.run_missing(manager.ablations.create("back", base, axes)) == {"reused": ids, "started": []}
        images.rename(images.with_name("away"))
        with pytest.raises(InputError, match="does not exist"):
            manager.ablations.create("gone", base, axes)
    finally:
        manager.close()


@pytest.mark.thorough
def test_scores_of_a_checkpoint_are_those_of_its_data(images: Path, store: Store) -> None:
    run_id = stopped(store, images)
    exchange(images)
    manager = Manager(store)
    try:
        found = _asked(manager, run_id, "snip")
        assert found["state"] == "failed" and "has changed since the run began" in found["error"]
        exchange(images)
        manager.forget_scores(found["key"])
        assert _asked(manager, run_id, "snip")["state"] == "ready"
    finally:
        manager.close()


def _asked(manager: Manager, run_id: str, criterion: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60.0
    while (found := manager.scores(None, run_id, criterion))["state"] in ("waiting", "scoring"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
