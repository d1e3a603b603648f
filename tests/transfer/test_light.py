"""Light bundles: every number and every mask of a run arrives, its weights do not, and strangers' are judged as all bundles are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hostile_bundles import add, members, packed

from appcore import paths
from appcore.cli.main import main
from appcore.errors import InputError
from appcore.runner import driver
from appcore.storage import checkpoint, removals
from appcore.storage.store import Store
from appcore.transfer import bundle_record
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle

REMOVALS = "masks/removals.safetensors"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("source") / "appcore.db")


@pytest.fixture(scope="module")
def run_id(source: Store) -> str:
    """A run that only removes."""
    return done(source)


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other" / "appcore.db")


def done(store: Store, **settings: Any) -> str:
    run_id = add(store, **settings)
    assert driver.drive(store, run_id) == "done"
    return run_id


def light(store: Store, run_id: str, folder: Path) -> Path:
    return Path(export(store, run_id, folder, light=True)[-1])


def masks(store: Store, run_id: str) -> dict[str, dict[str, np.ndarray]]:
    return {path.name: checkpoint.load_masks(path) for path in checkpoint.stored(paths.run_folder(store.folder, run_id))}


def assert_same(one: Store, other: Store, run_id: str) -> None:
    assert bundle_record.describe(one, run_id) == bundle_record.describe(other, run_id)
    found, wanted = masks(other, run_id), masks(one, run_id)
    assert list(found) == list(wanted)
    assert all(np.array_equal(found[at][name], wanted[at][name]) for at in wanted for name in wanted[at])


@pytest.mark.thorough
def test_numbers_and_masks_arrive_and_no_weights(source: Store, run_id: str, other: Store, tmp_path: Path) -> None:
    bundle = light(source, run_id, tmp_path / "out")
    assert sorted(members(bundle)) == ["events.jsonl", "manifest.json", REMOVALS, "run.json"]
    assert json.loads(members(bundle)["manifest.json"])["format"] == 2
    assert not (tmp_path / "out" / "weights.safetensors").exists()
    assert import_bundle(other, bundle) == run_id
    assert_same(source, other, run_id)
    assert other.get(run_id)["saved"] is None
    assert checkpoint.cursors(paths.run_folder(other.folder, run_id)) == []
    assert import_bundle(other, bundle) == run_id  # again: the same run


@pytest.mark.thorough
def test_a_light_run_is_exported_again_as_it_came(source: Store, run_id: str, other: Store, tmp_path: Path) -> None:
    first = light(source, run_id, tmp_path / "out")
    import_bundle(other, first)
    assert light(other, run_id, tmp_path / "again").read_bytes() == first.read_bytes()
    remarks: list[str] = []
    whole = Path(export(other, run_id, tmp_path / "whole", remarks.append)[-1])
    assert members(whole) == members(first)
    assert "no weights were exported" in remarks[0]


def test_masks_that_regrow_stay_files_that_earlier_versions_read(
    source: Store, run_id: str, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removals, "of", lambda snapshots: None)
    bundle = light(source, run_id, tmp_path / "out")
    assert REMOVALS not in members(bundle)
    assert json.loads(members(bundle)["manifest.json"])["format"] == 1
    import_bundle(other, bundle)
    assert_same(source, other, run_id)


def test_the_command_leaves_weights_out(
    source: Store, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("APPCORE_STORE", source.url)
    assert main(["export", run_id, "--light", "--to", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == ""
    assert REMOVALS in members(tmp_path / "out" / f"{run_id}.zip")


def _more(content: dict[str, bytes]) -> None:
    _with_counts(content, lambda counts, points: np.full_like(counts, points))


def _too_many(content: dict[str, bytes]) -> None:
    _with_counts(content, lambda counts, points: np.full_like(counts, points + 1))


def _with_counts(content: dict[str, bytes], change) -> None:  # type: ignore[no-untyped-def]
    data = content[REMOVALS]
    about = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["about"])
    tensors = {name: change(counts, len(about["segments"])) for name, counts in safetensors.numpy.load(data).items()}
    content[REMOVALS] = safetensors.numpy.save(tensors, metadata={"about": json.dumps({**about, "sha256": removals.digest(tensors)})})


def _twice(content: dict[str, bytes]) -> None:
    content["masks/000000000.safetensors"] = b"x"


def _without(content: dict[str, bytes]) -> None:
    del content[REMOVALS]


def _noise(content: dict[str, bytes]) -> None:
    content[REMOVALS] = b"\xff" * 40


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_more, "keep other weights"),
        (_too_many, "outlives more"),
        (_twice, "masks twice"),
        (_without, "masks of every prune point"),
        (_noise, "too long a header"),
    ],
)
def test_strangers_are_judged(change, says: str, source: Store, run_id: str, other: Store, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    content = members(light(source, run_id, tmp_path / "out"))
    change(content)
    path = packed(tmp_path / "hostile.zip", content)
    with pytest.raises(InputError, match=says) as raised:
        import_bundle(other, path)
    assert "\n" not in raised.value.message
    assert other.runs() == []
