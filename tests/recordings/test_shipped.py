"""The files of the recorded runs: whole, few megabytes, without a path of whoever recorded, and equal to a run of the same settings."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from appcore import events, run
from appcore.bench import timing
from appcore.cli import record
from appcore.cli.main import main
from appcore.config import build
from appcore.errors import InputError
from appcore.recordings import catalog, shipped
from appcore.runner.engine_port import Engine
from appcore.storage import row_rules
from appcore.transfer import bundle_recorded

MEGABYTES = 20
CHEAPEST = "collapse-magnitude-1"
DECISIVE = ("torch", "torchvision", "numpy", "pillow", "machine", "cpu")  # what decides the last bits of a result
IDS = [run_id for name in catalog.names() for run_id in catalog.run_ids(name)]


def test_every_recording_has_its_files_and_there_are_no_others() -> None:
    assert list(shipped.runs())[: len(IDS)] == IDS
    scores = [shipped.scores(known.name, criterion) for known in catalog.SCORED for criterion in known.criteria]
    wanted = {shipped.MADE, shipped.PICTURES, *(shipped.file(run_id).name for run_id in shipped.runs()), *(path.name for path in scores)}
    assert {path.name for path in shipped.FOLDER.iterdir()} == wanted
    assert sum(path.stat().st_size for path in shipped.FOLDER.iterdir()) < MEGABYTES * 10**6


@pytest.mark.parametrize("run_id", list(shipped.runs()))
def test_each_file_is_the_one_that_was_made(run_id: str) -> None:
    data, mark = shipped.read(run_id), shipped.runs()[run_id]
    row_rules.Recorded.model_validate(mark)
    assert mark["bytes"] == len(data)
    known = catalog.recording(mark["name"])
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        texts = {name: file.read(name) for name in file.namelist() if name.endswith((".json", ".jsonl"))}
        assert not [name for name in file.namelist() if name.startswith("checkpoint-")]
    assert json.loads(texts["manifest.json"])["run_id"] == run_id
    for text in texts.values():
        assert b"/home/" not in text and b"/tmp/" not in text and b"/root/" not in text and b"shared/" not in text
    settings = build(json.loads(texts["run.json"])["config"])
    assert settings.fingerprint == mark["fingerprint"] == known.config(settings.seed).fingerprint
    assert catalog.run_id(known.name, settings.seed) == run_id


def test_the_pictures_show_what_the_files_hold() -> None:
    assert shipped.pictures() == {picture.name: curves for picture in catalog.GALLERY if (curves := record.points(picture))}
    for curves in shipped.pictures().values():
        assert all(len(point) == 2 for curve in curves.values() for point in curve)


def test_the_cheapest_recording_equals_a_run_of_its_settings(cifar_small: Path) -> None:
    known, _, entries = bundle_recorded.read(shipped.read(catalog.run_id(CHEAPEST, 0)))
    here = Engine().versions()
    if not shipped.runs()[catalog.run_id(CHEAPEST, 0)]["machine"].startswith(f"{timing.machine()['processor']}, "):
        pytest.skip("recorded on another processor, whose kernels may decide the last bits")
    if differing := [name for name in DECISIVE if known.versions.get(name) != here[name]]:
        pytest.skip(f"recorded with another {', '.join(differing)}, which may decide the last bits")
    config = build({**catalog.recording(CHEAPEST).config(0).model_dump(mode="json"), "dataset": f"images:{cifar_small}"})
    kinds = (events.Pruned, events.EpochDone, events.MegabatchDone)
    found = [_comparable(event) for event in run(config) if isinstance(event, kinds)]
    assert found == [_comparable(one.event) for one in entries]


def _comparable(event: Any) -> Any:
    """What an event says, but for times, as JSON holds it."""
    return json.loads(json.dumps({name: value for name, value in asdict(event).items() if name != "seconds"}))


def test_the_command_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed] == catalog.names()
    assert [run_id for one in listed for run_id in one["runs"]] == IDS


def test_an_unknown_recording_and_missing_images_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "nothing", "--work", str(tmp_path)]) == 2
    assert "recording: unknown name 'nothing'" in capsys.readouterr().err
    with pytest.raises(InputError, match="does not exist"):
        record.record(["cs"], str(tmp_path / "none.zip"), tmp_path, tmp_path)


@pytest.mark.slow
def test_what_was_interrupted_goes_on_and_what_is_made_is_left_alone(
    tmp_path: Path, cifar_small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {"arch": "mlp", "limit_train": 40, "limit_test": 20, "megabatches": 2, "epochs": 1, "method": "osp", "pruner": "magnitude"}
    small = catalog.Recording("tiny", "Tiny", "A tiny one.", tiny, (0, 1))
    monkeypatch.setattr(catalog, "_BY_NAME", {"tiny": small})
    monkeypatch.setattr(catalog, "GALLERY", (catalog.Picture("p", "P?", "p", {"tiny": ("tiny",)}, "test_accuracy"),))
    monkeypatch.setattr(catalog, "SCORED", ())
    to = tmp_path / "files"
    made = record.record(["tiny"], str(cifar_small), tmp_path / "work", to)
    assert made == ["recorded-tiny-0", "recorded-tiny-1"]
    before = {path.name: path.read_bytes() for path in to.iterdir()}
    assert record.record(["tiny"], str(cifar_small), tmp_path / "work", to) == []
    (to / "tiny-1.zip").unlink()
    assert record.record(["tiny"], str(cifar_small), tmp_path / "work", to) == ["recorded-tiny-1"]  # of the run that is there
    assert {path.name: path.read_bytes() for path in to.iterdir()} == before
    first, second = shipped.pictures(to)["p"]["tiny"]
    assert (first[0], second[0]) == (1.0, 2.0)
