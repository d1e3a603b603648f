"""Exports and bundles: what is written is what the run has, another store takes it in whole, and strangers' zips are refused."""

from __future__ import annotations

import io
import json
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import safetensors
import safetensors.numpy
from hostile_bundles import HOSTILE, SETTINGS, add, members, packed
from safetensors.torch import load_file

from appcore import paths
from appcore.cli.main import main
from appcore.config import build
from appcore.engine import digests
from appcore.errors import InputError
from appcore.models import base as models
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage import checkpoint, run_result
from appcore.storage.store import Store
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    """A store with one run that is done."""
    store = Store(tmp_path_factory.mktemp("source") / "appcore.db")
    run_id = add(store)
    assert driver.drive(store, run_id) == "done"
    return store, run_id


@pytest.fixture(scope="module")
def exported(source: tuple[Store, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export(*source, folder)
    return folder


@pytest.fixture(scope="module")
def bundle(source: tuple[Store, str], exported: Path) -> Path:
    return exported / f"{source[1]}.zip"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "other" / "appcore.db")


# ---- export


@pytest.mark.thorough
def test_every_file_of_an_export_says_what_the_run_has(source: tuple[Store, str], exported: Path) -> None:
    store, run_id = source
    names = {"config.json", "result.json", "epochs.csv", "megabatches.csv", "layers.csv", "weights.safetensors"}
    assert {path.name for path in exported.iterdir()} == names | {"masks-01.safetensors", "masks-02.safetensors", f"{run_id}.zip"}
    assert build(json.loads((exported / "config.json").read_text())) == build(SETTINGS)
    assert json.loads((exported / "result.json").read_text()) == run_result.result(store, run_id)
    epochs, megabatches, layers = (pandas.read_csv(exported / f"{name}.csv") for name in ("epochs", "megabatches", "layers"))
    assert epochs[["megabatch", "epoch"]].to_numpy().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert megabatches["megabatch"].tolist() == [1, 2]
    assert megabatches["cer"].tolist() == store.megabatches(run_id)["cer"].tolist()
    assert set(layers["point"]) == {"prune", "end"} and set(layers["megabatch"]) == {1, 2}
    assert layers["density"].tolist() == (layers["kept"] / layers["total"]).tolist()
    assert layers["position"].tolist()[:3] == [1, 2, 3]


def test_exported_weights_are_the_final_network_with_zeros(source: tuple[Store, str], exported: Path) -> None:
    store, run_id = source
    weights = load_file(exported / "weights.safetensors")
    network = models.create("mlp", (1, 8, 8), 10, seed=1)
    network.load_state_dict(weights)
    assert digests.digest(network.state_dict()) == store.get(run_id)["totals"]["weights_hash"]
    masks = safetensors.numpy.load_file(exported / "masks-02.safetensors")
    assert all(mask.dtype == bool and not weights[name].numpy()[~mask].any() for name, mask in masks.items())
    kept = {name: int(mask.sum()) for name, mask in masks.items()}
    layers = store.layers(run_id)
    last = layers[(layers["point"] == "prune") & (layers["megabatch"] == 1)]
    assert kept == dict(zip(last["layer"], last["kept"]))
    with safetensors.safe_open(exported / "masks-02.safetensors", framework="numpy") as file:
        assert json.loads(file.metadata()["about"])["megabatch"] == "2"


def test_zeros_are_baked_in_even_where_the_checkpoint_has_none(tmp_path: Path, source: tuple[Store, str]) -> None:
    from appcore.transfer.bundle_export import _weights

    tensors = {
        "model/w": numpy.ones((2, 2), "float32"),
        "masks/w": numpy.array([[True, False], [False, True]]),
        "momentum/w": numpy.ones(1),
    }
    found = _weights(safetensors.numpy.save(tensors))
    assert list(found) == ["w"] and found["w"].tolist() == [[1, 0], [0, 1]] and found["w"].dtype == "float32"


def test_a_run_without_a_checkpoint_is_exported_without_weights(store: Store, tmp_path: Path) -> None:
    run_id = add(store)
    files = [Path(file).name for file in export(store, run_id, tmp_path / "to")]
    assert "weights.safetensors" not in files and f"{run_id}.zip" in files
    other = Store(tmp_path / "third" / "appcore.db")
    assert import_bundle(other, tmp_path / "to" / f"{run_id}.zip") == run_id
    assert (other.get(run_id)["status"], other.get(run_id)["started"]) == ("stopped", None)
    assert driver.drive(other, run_id) == "done"


def test_exports_are_the_same_twice(source: tuple[Store, str], exported: Path, tmp_path: Path) -> None:
    for file in export(*source, tmp_path):
        assert Path(file).read_bytes() == (exported / Path(file).name).read_bytes(), file


def test_an_export_that_cannot_be_written_is_one_line(source: tuple[Store, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="could not be written"):
        export(*source, tmp_path / "file")
    with pytest.raises(InputError, match="no run"):
        export(source[0], "nothing", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_damaged_masks_stop_an_export_before_anything_is_written(
    source: tuple[Store, str], bundle: Path, store: Store, tmp_path: Path
) -> None:
    run_id = import_bundle(store, bundle)
    path = paths.masks(paths.run_folder(store.folder, run_id), 0)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cannot be read"):
        export(store, run_id, tmp_path / "to")
    assert not (tmp_path / "to").exists()


# ---- import


def test_a_bundle_brings_the_whole_run(source: tuple[Store, str], exported: Path, bundle: Path, store: Store, tmp_path: Path) -> None:
    run_id = import_bundle(store, bundle)
    assert run_id == source[1]
    assert run_result.result(store, run_id) == run_result.result(*source)
    for name in ("epochs", "megabatches", "layers", "prunes"):
        pandas.testing.assert_frame_equal(getattr(store, name)(run_id), getattr(source[0], name)(run_id))
    own = ("pid", "host", "process_started", "fence", "heartbeat", "revision", "command")
    before, after = source[0].get(run_id), store.get(run_id)
    assert before["progress"].pop("machine")["host"] == before["host"]  # which is nobody's business elsewhere
    assert {k: v for k, v in after.items() if k not in own} == {k: v for k, v in before.items() if k not in own}
    for file in export(store, run_id, tmp_path / "again"):
        assert Path(file).read_bytes() == (exported / Path(file).name).read_bytes(), file
    assert sorted(path.name for path in store.folder.iterdir()) == sorted(["appcore.db", run_id])


def test_a_bundle_brings_the_whole_run_to_every_kind_of_store(source: tuple[Store, str], bundle: Path, any_address: str) -> None:
    store = Store(any_address)
    assert import_bundle(store, bundle) == source[1]
    assert run_result.result(store, source[1]) == run_result.result(*source)
    assert import_bundle(store, bundle) == source[1]
    store.close()


def test_somebody_elses_run_is_not_touched_by_a_bundle_of_the_same_name(bundle: Path, any_address: str) -> None:
    store = Store(any_address)
    run_id = import_bundle(store.of("ada"), bundle)
    files = sorted((path, path.stat().st_mtime_ns) for path in paths.run_folder(store.folder, run_id).rglob("*"))
    with pytest.raises(InputError, match="in this store already"):
        import_bundle(store.of("ben"), bundle)
    assert store.get(run_id)["owner"] == "ada"
    assert sorted((path, path.stat().st_mtime_ns) for path in paths.run_folder(store.folder, run_id).rglob("*")) == files
    store.close()


def test_the_same_bundle_again_changes_nothing(bundle: Path, store: Store) -> None:
    run_id = import_bundle(store, bundle)
    store.update(run_id, title="renamed", tags=["mine"])
    before = store.revision()
    assert import_bundle(store, bundle) == run_id
    assert store.revision() == before and len(store.runs()) == 1


def test_a_setting_that_the_bundle_does_not_know_yet_has_its_default(bundle: Path, store: Store, tmp_path: Path) -> None:
    content = members(bundle)
    record = json.loads(content["run.json"])
    del record["config"]["restore_best"]
    content["run.json"] = json.dumps(record).encode()
    older = packed(tmp_path / "older.zip", content)
    run_id = import_bundle(store, older)
    assert store.get(run_id)["config"]["restore_best"] is True
    assert import_bundle(store, older) == import_bundle(store, bundle) == run_id


def test_another_run_of_the_same_name_is_not_replaced(source: tuple[Store, str], bundle: Path, store: Store) -> None:
    run_id = import_bundle(store, bundle)
    store.update(run_id, error="mine")
    with pytest.raises(InputError, match="here already with other content"):
        import_bundle(store, bundle)
    assert store.get(run_id)["error"] == "mine"


def test_a_stopped_run_goes_on_in_another_store_with_the_same_bits(source: tuple[Store, str], store: Store, tmp_path: Path) -> None:
    first = Store(tmp_path / "first" / "appcore.db")
    run_id = add(first)
    steps = driver.steps(first, run_id)
    while first.get(run_id)["cursor"] < 5:
        next(steps)
    first.set_command(run_id, "stop")
    assert list(steps)[-1] == "stopped"
    export(first, run_id, tmp_path / "to")
    assert import_bundle(store, tmp_path / "to" / f"{run_id}.zip") == run_id
    assert driver.drive(store, run_id) == "done"
    assert store.get(run_id)["totals"]["weights_hash"] == source[0].get(source[1])["totals"]["weights_hash"]
    assert store.megabatches(run_id)["cer"].tolist() == source[0].megabatches(source[1])["cer"].tolist()


def test_files_without_rows_are_replaced(bundle: Path, store: Store) -> None:
    """As an import leaves them that was killed between files and rows."""
    run_id = import_bundle(store, bundle)
    with store._database.write() as connection:
        for table in ("epochs", "megabatches", "prunes", "layers", "runs"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert import_bundle(store, bundle) == run_id
    assert checkpoint.newest(paths.run_folder(store.folder, run_id))


def test_a_store_that_fails_leaves_no_files(bundle: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **columns: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "add", full)
    with pytest.raises(InputError, match="No space left"):
        import_bundle(store, bundle)
    assert [path.name for path in store.folder.iterdir()] == ["appcore.db"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_one_line_and_leaves_nothing(name: str, bundle: Path, store: Store, tmp_path: Path) -> None:
    change, says = HOSTILE[name]
    content = members(bundle)
    change(content)
    assert_refused(packed(tmp_path / "hostile.zip", content), store, tmp_path, says)


def assert_refused(path: Path, store: Store, tmp_path: Path, says: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=says) as caught:
        import_bundle(store, path)
    assert "\n" not in caught.value.message and len(caught.value.message) < 700
    assert caught.value.field == "file"
    tracemalloc.start()
    with pytest.raises(InputError):
        import_bundle(store, path)
    assert tracemalloc.get_traced_memory()[1] < 256 * 2**20
    tracemalloc.stop()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_manifest_that_lies_is_refused(bundle: Path, store: Store, tmp_path: Path) -> None:
    for member in ("run.json", "events.jsonl", "checkpoint-000000008.safetensors", "masks/000000000.safetensors"):
        content = members(bundle)
        data = content[member]
        content[member] = bytes([*data[:-2], data[-2] ^ 1, data[-1]])
        assert_refused(packed(tmp_path / "lie.zip", content, relist=False), store, tmp_path, "checksum differs")


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"format": 3}, "newer"),
        ({"format": "1"}, "format"),
        ({"extra": 1}, "extra"),
        ({"run_id": "x/../y"}, "run_id"),
        ({"members": []}, "members"),
    ],
)
def test_odd_manifests_are_refused(manifest: dict, says: str, bundle: Path, store: Store, tmp_path: Path) -> None:
    assert_refused(packed(tmp_path / "odd.zip", members(bundle), **manifest), store, tmp_path, says)


def test_no_bundle_at_all(bundle: Path, store: Store, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    cases = {"empty": b"", "text": b"hello", "cut": whole[: len(whole) // 2], "no end": whole[:-30], "pickle": b"\x80\x04\x95"}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
    packed(tmp_path / "other zip", {"a.txt": b"x"}, relist=False)
    for name in (*cases, "other zip"):
        assert_refused(tmp_path / name, store, tmp_path, "bundle")
    assert_refused(tmp_path / "nowhere.zip", store, tmp_path, "no such file")
    assert_refused(tmp_path, store, tmp_path, "name a file")


def test_every_cut_of_a_bundle_is_refused(bundle: Path, store: Store, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    for length in range(0, len(whole), len(whole) // 20):
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        with pytest.raises(InputError):
            import_bundle(store, tmp_path / "cut.zip")
    assert not store.folder.exists()


@pytest.mark.thorough
def test_links_encryption_bombs_and_overlaps_are_refused(bundle: Path, store: Store, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("run.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    cases: dict[str, Callable[[zipfile.ZipFile], Any]] = {
        "link": lambda file: file.writestr(link, "/etc/passwd"),
        "bomb": lambda file: file.writestr("checkpoint-000000008.safetensors", bytes(300 * 2**20), zipfile.ZIP_DEFLATED),
        "large": lambda file: file.writestr("run.json", b" " * (2 * 2**20), zipfile.ZIP_DEFLATED),
        "packing": lambda file: file.writestr("run.json", b"{}", zipfile.ZIP_LZMA),
    }
    for says, write in (("link", "link"), ("bomb", "bomb"), ("shrink it", "large"), ("packed in a way", "packing")):
        with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as file:
            cases[write](file)
        assert_refused(tmp_path / "hostile.zip", store, tmp_path, says)
    content = members(bundle)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in content.items():
            file.writestr(name, data)
        for info in file.filelist[1:]:
            info.header_offset = file.filelist[0].header_offset
    (tmp_path / "overlap.zip").write_bytes(buffer.getvalue())
    assert_refused(tmp_path / "overlap.zip", store, tmp_path, "overlaps")


def test_a_bundle_larger_than_the_disk_is_refused(bundle: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    assert_refused(bundle, store, tmp_path, "make room")


# ---- what export makes, import takes


def long_run(store: Store) -> str:
    """A run of an earlier version, whose form allowed a longer plan than import takes."""
    run_id = add(store)
    with closing(driver.steps(store, run_id)) as driven:
        while store.get(run_id)["cursor"] < 3:
            next(driven)
    config = build({**SETTINGS, "megabatches": 11, "epochs": 10_000})
    store.update(run_id, config=config.model_dump(mode="json"), segments=len(plan(config)))
    return run_id


@pytest.mark.thorough
def test_a_bundle_that_import_would_refuse_is_not_made_and_that_is_said(store: Store, tmp_path: Path) -> None:
    run_id, said = long_run(store), []
    files = [Path(file).name for file in export(store, run_id, tmp_path / "to", said.append)]
    assert {"config.json", "weights.safetensors", "masks-01.safetensors", "epochs.csv"} <= set(files)
    assert f"{run_id}.zip" not in files
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == sorted(files)
    assert len(said) == 1 and said[0].startswith("no bundle was written, for `import` would refuse it: ")
    assert "more than 100,000 segments" in said[0]


@pytest.mark.thorough
def test_the_command_and_the_page_say_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from appcore.ui.widgets.run_files import _bundles

    run_id = long_run(store)
    monkeypatch.setenv("APPCORE_STORE", store.url)
    assert main(["export", run_id, "--to", str(tmp_path / "to"), "--json"]) == 0
    printed = capsys.readouterr()
    assert "no bundle was written" in printed.err and len(printed.err.splitlines()) == 1
    assert f"{tmp_path / 'to' / run_id}.zip" not in json.loads(printed.out)["files"]
    with pytest.raises(InputError, match=f"run {run_id}: no bundle was written"):
        _bundles(store, [run_id])


@pytest.mark.thorough
def test_an_export_of_a_run_that_goes_on_can_be_imported(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prune points come and go between what is read first and what is read last."""
    run_id = add(store)
    driven, real = driver.steps(store, run_id), store.get
    next(driven)

    def get(name: str) -> Any:
        row = real(name)
        for _ in range(40):
            next(driven, None)
        return row

    monkeypatch.setattr(store, "get", get)
    said: list[str] = []
    bundle = export(store, run_id, tmp_path / "to", said.append)[-1]
    monkeypatch.undo()
    driven.close()
    assert bundle.endswith(".zip"), said
    assert import_bundle(Store(tmp_path / "third" / "appcore.db"), bundle) == run_id


def damaged(store: Store, run_id: str, count: int) -> None:
    for path in paths.manifests(paths.run_folder(store.folder, run_id))[:count]:
        path.with_suffix(".safetensors").write_bytes(b"spoilt")


@pytest.mark.thorough
def test_an_export_says_which_checkpoint_it_is_of_and_why(source: tuple[Store, str], bundle: Path, store: Store, tmp_path: Path) -> None:
    run_id = add(store)
    driven = driver.steps(store, run_id)
    while store.get(run_id)["cursor"] < store.get(run_id)["segments"]:  # one that is done has no older one
        next(driven)
    driven.close()
    newest, older = (path.stem for path in paths.manifests(paths.run_folder(store.folder, run_id)))
    said: list[str] = []
    damaged(store, run_id, 1)
    files = export(store, run_id, tmp_path / "one", said.append)
    assert len(said) == 1 and f"the weights are those after {int(older[-9:])} of {int(newest[-9:])} segments" in said[0]
    assert f"checkpoint {newest}: its tensors are damaged" in said[0]
    assert import_bundle(Store(tmp_path / "third" / "appcore.db"), files[-1]) == run_id
    said.clear()
    damaged(store, run_id, 2)
    files = export(store, run_id, tmp_path / "two", said.append)
    assert not any("weights" in file for file in files)
    assert len(said) == 1 and "its tensors are damaged, so no weights were exported" in said[0] and "no checkpoint yet" not in said[0]
    said.clear()
    for path in paths.manifests(paths.run_folder(store.folder, run_id)):
        path.unlink()
    export(store, run_id, tmp_path / "three", said.append)
    assert len(said) == 1 and "the checkpoint that was saved is not in" in said[0]


def test_a_run_before_its_first_checkpoint_says_so(store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    export(store, add(store), tmp_path / "to", said.append)
    assert said == ["no checkpoint yet, so no weights were exported"]


@pytest.mark.parametrize("of", ["manifest", "tensors", "masks", "folder"])
def test_an_export_of_what_cannot_be_read_now_is_refused(
    of: str, source: tuple[Store, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run_id = source
    folder = paths.run_folder(store.folder, run_id)
    newest = paths.manifests(folder)[0]
    path = {
        "manifest": newest,
        "tensors": newest.with_suffix(".safetensors"),
        "masks": paths.stored_masks(folder)[0],
        "folder": folder,
    }[of]
    real, name = (Path.iterdir, "iterdir") if of == "folder" else (Path.open, "open")

    def failing(each: Path, *arguments: Any, **options: Any) -> Any:
        if each == path:
            raise PermissionError(13, "Permission denied", str(each))
        return real(each, *arguments, **options)

    monkeypatch.setattr(Path, name, failing)
    with pytest.raises(InputError, match=f"{path} cannot be read now: Permission denied"):
        export(store, run_id, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_planted_link_is_not_followed_by_an_export(source: tuple[Store, str], tmp_path: Path) -> None:
    victim, to = tmp_path / "victim", tmp_path / "to"
    victim.write_text("precious")
    to.mkdir()
    for name in ("config.json", "config.json.tmp", f"{source[1]}.zip", f"{source[1]}.zip.tmp", "weights.safetensors.tmp"):
        (to / name).symlink_to(victim)
    export(*source, to)
    assert victim.read_text() == "precious"
    assert not (to / "config.json").is_symlink() and build(json.loads((to / "config.json").read_text())) == build(SETTINGS)


def test_a_run_that_fits_no_bundle_is_one_line(store: Store, tmp_path: Path) -> None:
    run_id = add(store)
    store.update(run_id, notes=["a note"] * 1001)
    with pytest.raises(InputError, match=f"run {run_id} cannot be put into a bundle: notes ") as caught:
        export(store, run_id, tmp_path / "to")
    assert "\n" not in caught.value.message and not (tmp_path / "to").exists()
