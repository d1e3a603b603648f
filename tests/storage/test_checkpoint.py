"""Checkpoints: what is read is what was written, or it is not used and the user is told."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from appcore import files, paths
from appcore.errors import InputError
from appcore.storage import checkpoint


def tensors(seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {
        "model/w": torch.randn(8, 5, generator=draw),
        "model/half": torch.randn(7, generator=draw).to(torch.bfloat16),
        "model/count": torch.tensor(seed),
        "masks/w": torch.rand(8, 5, generator=draw) > 0.5,
    }


def facts(seed: int) -> dict:
    return {"samples_seen": seed * 10, "order_hash": "ab", "phase_seconds": {"train": 0.1 + seed}, "best": None}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return set(left) == set(right) and all(left[k].dtype == right[k].dtype and torch.equal(left[k], right[k]) for k in left)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder with checkpoints after 3 and 7 segments."""
    folder = tmp_path / "run"
    for cursor in (3, 7):
        checkpoint.save(folder, cursor, tensors(cursor), facts(cursor), fingerprint="f", versions={"torch": "1"})
    return folder


def test_the_newest_comes_back_as_it_was(folder: Path) -> None:
    found, about, remark = checkpoint.load(folder, fingerprint="f", versions={"torch": "1"})
    assert same(found, tensors(7))
    assert about == {**facts(7), "cursor": 7}
    assert remark is None
    assert not list(folder.glob("*.tmp"))


def test_no_checkpoint_is_no_remark(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "run") == (None, {}, None)


def test_two_are_kept(folder: Path) -> None:
    checkpoint.save(folder, 9, tensors(9), facts(9))
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path(folder, cursor).name for cursor in (7, 9) for path in (paths.checkpoint, paths.manifest)
    )


def test_other_versions_and_other_settings_are_said(folder: Path) -> None:
    assert "torch 1, now 2" in checkpoint.load(folder, versions={"torch": "2"})[2]
    found, _, remark = checkpoint.load(folder, fingerprint="g")
    assert found is None
    assert "belongs to other settings" in remark


def damages(folder: Path) -> list:
    """Every way tried of spoiling the newest checkpoint, as functions."""
    draw, found = random.Random(0), []
    newest = [paths.checkpoint(folder, 7), paths.manifest(folder, 7)]
    older = [paths.checkpoint(folder, 3), paths.manifest(folder, 3)]
    for path, old in zip(newest, older, strict=True):
        size = path.stat().st_size

        def flip(path: Path = path, bit: int = 0) -> None:
            data = bytearray(path.read_bytes())
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(bytes(data))

        found += [lambda flip=flip, bit=bit: flip(bit=bit) for bit in draw.sample(range(8 * size), 150)]
        found += [lambda path=path, n=n: path.write_bytes(path.read_bytes()[:n]) for n in (0, 1, size // 2, size - 1)]
        found += [lambda path=path, old=old: shutil.copyfile(old, path), path.unlink, lambda path=path: path.write_text("[1, {}]")]
        found += [lambda path=path: (path.unlink(), path.mkdir())]
    return found


@pytest.mark.thorough
def test_damage_is_noticed_and_the_previous_one_used(folder: Path, tmp_path: Path) -> None:
    pristine = tmp_path / "pristine"
    shutil.copytree(folder, pristine)
    count = len(damages(folder))
    for number in range(count):
        shutil.rmtree(folder)
        shutil.copytree(pristine, folder)
        damages(folder)[number]()
        found, about, remark = checkpoint.load(folder, fingerprint="f")
        if paths.manifest(pristine, 7).read_text() == _text(paths.manifest(folder, 7)):
            assert same(found, tensors(7)), number  # only a flip in white space may change nothing
            continue
        assert same(found, tensors(3)), number
        assert about["cursor"] == 3
        gone = not any(path.name.startswith(paths.manifest(folder, 7).name) for path in folder.iterdir())
        assert gone or "resumed from checkpoint-000000003 instead" in remark
    assert count > 300


def _text(path: Path) -> str:
    """A manifest as it was meant, or nothing when it was not found good."""
    try:
        body = json.loads(path.read_text())
        return json.dumps(body, indent=1)
    except (OSError, ValueError):
        return ""


def test_nothing_whole_means_from_the_beginning_and_says_so(folder: Path) -> None:
    for cursor in (3, 7):
        paths.checkpoint(folder, cursor).write_bytes(b"")
    found, about, remark = checkpoint.load(folder)
    assert (found, about) == (None, {})
    assert "started again from the beginning" in remark
    assert checkpoint.load(folder)[2] is None  # told once


def test_a_damaged_one_does_not_count_as_the_one_to_fall_back_on(folder: Path) -> None:
    paths.checkpoint(folder, 7).write_bytes(b"spoilt")
    checkpoint.load(folder)
    checkpoint.save(folder, 5, tensors(5), facts(5))
    assert [path.name for path in paths.manifests(folder)] == ["checkpoint-000000005.json", "checkpoint-000000003.json"]


def test_the_last_of_a_run_that_is_done_supersedes_those_before_it_and_none_after_it(folder: Path) -> None:
    checkpoint.keep_last(folder, 6)  # there is none
    assert checkpoint.cursors(folder) == [7, 3]
    paths.checkpoint(folder, 9).write_bytes(b"of another process")
    paths.manifest(folder, 9).write_text("{}")
    checkpoint.keep_last(folder, 7)
    assert checkpoint.cursors(folder) == [9, 7] and not paths.checkpoint(folder, 3).exists()


_KILLED = """
import os, shutil, sys
from pathlib import Path
import torch
from appcore.storage import checkpoint

folder, pristine = Path(sys.argv[1]), Path(sys.argv[2])

def save_until(operation):
    count = 0
    def audit(event, arguments):
        nonlocal count
        if event in ("open", "os.rename", "os.remove", "os.mkdir") and str(arguments[0]).startswith(str(folder)):
            count += 1
            if count == operation:
                os._exit(9)
    sys.addaudithook(audit)
    checkpoint.save(folder, 9, {"w": torch.arange(9)}, {"n": 9})
    os._exit(0)

for operation in range(1, 60):
    shutil.rmtree(folder)
    shutil.copytree(pristine, folder)
    child = os.fork()
    if child == 0:
        save_until(operation)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tensors, facts, remark = checkpoint.load(folder)
    assert remark is None and (facts["cursor"] == 7 or tensors["w"].tolist() == list(range(9))), (operation, facts, remark)
    print(code, facts["cursor"])
    if code == 0:
        break
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_kill_at_any_file_operation_leaves_a_whole_checkpoint(folder: Path, tmp_path: Path) -> None:
    """The writer dies at its first, second, ... file operation until it gets through."""
    shutil.copytree(folder, tmp_path / "pristine")
    command = [sys.executable, "-c", _KILLED, str(folder), str(tmp_path / "pristine")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert [code for code, _ in lines] == ["9"] * (len(lines) - 1) + ["0"]
    cursors = [cursor for _, cursor in lines]
    assert cursors == sorted(cursors)
    assert set(cursors) == {"7", "9"}
    assert len(cursors) > 6


_FULL = """
import resource, sys
from pathlib import Path
import torch
from appcore.storage import checkpoint
from appcore.config import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for tensors, facts in (({"w": torch.zeros(9999)}, {}), ({}, {"n": "9" * 9999})):
    try:
        checkpoint.save(Path(sys.argv[1]), 9, tensors, facts)
    except InputError as error:
        print(error.message)
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file size")
def test_a_file_that_does_not_fit_is_one_line_and_leaves_the_last_one(folder: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _FULL, str(folder)], capture_output=True, text=True, check=True, timeout=60)
    lines = ended.stdout.splitlines()
    assert len(lines) == 2
    assert all("could not be written" in line and "free disk space" in line for line in lines)
    assert same(checkpoint.load(folder)[0], tensors(7))
    assert not list(folder.glob("*.tmp"))


def test_a_closed_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"could not be written: .*; free disk space"):
        checkpoint.save(tmp_path / "file" / "run", 1, tensors(1), {})
    with pytest.raises(InputError, match="could not be written"):
        checkpoint.save_masks(tmp_path / "file" / "masks", {})


# ---- masks


def test_masks_come_back_in_network_order_and_packed(tmp_path: Path) -> None:
    path = tmp_path / "masks" / "one.safetensors"
    masks = {"z": torch.rand(16, 3, 3, 3) > 0.3, "a": torch.rand(10, 7) > 0.9, "none": torch.zeros(3, dtype=torch.bool)}
    checkpoint.save_masks(path, masks)
    found = checkpoint.load_masks(path)
    assert list(found) == ["z", "a", "none"]
    for name, mask in masks.items():
        assert found[name].dtype == numpy.bool_
        assert numpy.array_equal(found[name], mask.numpy())
    assert path.stat().st_size < 1000


def test_damaged_masks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save_masks(path, {"a": numpy.ones((4, 4), dtype=bool)})
    data = path.read_bytes()
    for spoilt in (data[:-1] + b"\x00", data[:-1], b"", b"\xff" * 40):
        path.write_bytes(spoilt)
        with pytest.raises(InputError, match="cannot be read"):
            checkpoint.load_masks(path)
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.load_masks(tmp_path / "missing")


def test_reading_masks_needs_no_torch(tmp_path: Path) -> None:
    checkpoint.save_masks(tmp_path / "m", {"a": numpy.ones((4, 4), dtype=bool)})
    code = """
import sys
from pathlib import Path
from appcore.storage import checkpoint
print(checkpoint.load_masks(Path(sys.argv[1]))["a"].sum(), "torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "m")], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["16", "False"]


# ---- what cannot be read now


READS = ["EACCES", "EMFILE", "EIO", "ESTALE", "EINTR"]


def spoil_reads(monkeypatch: pytest.MonkeyPatch, of: Path, error: str, times: int = 10**6) -> None:
    """Let opening a file for reading, or listing a folder, fail a number of times."""
    real, count = {"open": Path.open, "iterdir": Path.iterdir}, []

    def failing(name: str) -> Any:
        def call(path: Path, *arguments: Any, **options: Any) -> Any:
            if path == of and (name == "iterdir" or arguments[:1] == ("rb",)) and len(count) < times:
                count.append(path)
                raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)), str(path))
            return real[name](path, *arguments, **options)

        return call

    for name in real:
        monkeypatch.setattr(Path, name, failing(name))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.mark.parametrize("error", READS)
@pytest.mark.parametrize("of", ["tensors", "manifest", "folder", "older manifest", "older tensors"])
def test_what_cannot_be_read_now_is_not_damaged_and_no_older_one_is_used(
    of: str, error: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        "tensors": paths.checkpoint(folder, 7),
        "manifest": paths.manifest(folder, 7),
        "folder": folder,
        "older manifest": paths.manifest(folder, 3),
        "older tensors": paths.checkpoint(folder, 3),
    }[of]
    if of.startswith("older"):
        paths.checkpoint(folder, 7).write_bytes(b"spoilt")  # so that the older one matters
    before = content(folder)
    spoil_reads(monkeypatch, found, error)
    for read in (checkpoint.load, checkpoint.newest, checkpoint.problems):
        with pytest.raises(files.UnreadableError, match=f"{found} cannot be read now: {os.strerror(getattr(errno, error))}"):
            read(folder)
    monkeypatch.undo()
    assert content(folder) == before
    loaded, about, remark = checkpoint.load(folder)
    assert about["cursor"] == (3 if of.startswith("older") else 7)
    assert same(loaded, tensors(about["cursor"]))
    assert (remark is None) == (about["cursor"] == 7)


@pytest.mark.parametrize("error", READS)
def test_nothing_is_dropped_until_the_new_one_was_read_back(error: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(folder)
    spoil_reads(monkeypatch, paths.checkpoint(folder, 9), error)
    checkpoint.save(folder, 9, tensors(9), facts(9))
    assert before.items() <= content(folder).items()
    monkeypatch.undo()
    assert same(checkpoint.load(folder)[0], tensors(9))
    checkpoint.save(folder, 11, tensors(11), facts(11))
    assert [path.stem[-2:] for path in paths.manifests(folder)] == ["11", "09"]


def test_a_disk_that_reads_back_something_else_costs_no_older_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = content(folder), files.write

    def lying(path: Path, data: bytes | str, *rest: Any) -> None:
        real(path, data[:-1] + b"\x01" if isinstance(data, bytes) else data, *rest)

    monkeypatch.setattr(files, "write", lying)
    with pytest.raises(InputError, match="reads back differently; check the disk, then resume"):
        checkpoint.save(folder, 9, tensors(9), facts(9))
    monkeypatch.undo()
    assert before.items() <= content(folder).items()
    assert same(checkpoint.load(folder)[0], tensors(7))


def test_a_newer_one_is_never_dropped_by_an_older_cursor(folder: Path) -> None:
    """As by a process that was suspended, taken for lost, and goes on after another one has the run."""
    before = content(folder)
    checkpoint.save(folder, 5, tensors(5), facts(5))
    assert {name: data for name, data in before.items() if "000000007" in name}.items() <= content(folder).items()
    assert same(checkpoint.load(folder)[0], tensors(7))


def test_one_of_a_newer_version_is_neither_damaged_nor_used(folder: Path) -> None:
    path = paths.manifest(folder, 7)
    path.write_text(checkpoint.manifest_text({**json.loads(path.read_text())["manifest"], "format": 2}))
    before = content(folder)
    for read in (checkpoint.load, checkpoint.newest, checkpoint.problems):
        with pytest.raises(InputError, match="format 2, which is not known here; update the program"):
            read(folder)
    assert content(folder) == before


def test_a_folder_that_is_elsewhere_is_no_reason_to_begin_again(tmp_path: Path) -> None:
    """A disk that is not mounted, or another APPCORE_RUNS: the store knows of a checkpoint, and there is nothing at all."""
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (tmp_path / "missing", empty):
        with pytest.raises(InputError, match="where its checkpoints were saved; put them back"):
            checkpoint.load(folder, saved=7)
        assert checkpoint.load(folder) == (None, {}, None)


def test_a_link_to_a_disk_that_is_not_there_is_no_lost_checkpoint(folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    paths.checkpoint(folder, 7).rename(disk / "tensors")
    paths.checkpoint(folder, 7).symlink_to(disk / "tensors")
    assert same(checkpoint.load(folder)[0], tensors(7))
    disk.rename(tmp_path / "unmounted")
    with pytest.raises(files.UnreadableError):
        checkpoint.load(folder)
    (tmp_path / "unmounted").rename(disk)
    assert same(checkpoint.load(folder)[0], tensors(7))


def test_masks_that_cannot_be_read_now_are_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save_masks(path, {"a": numpy.ones((4, 4), dtype=bool)})
    spoil_reads(monkeypatch, path, "EMFILE")
    with pytest.raises(files.UnreadableError, match="Too many open files"):
        checkpoint.load_masks(path)
    monkeypatch.undo()
    assert checkpoint.load_masks(path)["a"].all()
