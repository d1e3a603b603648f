"""Files are whole or absent, no planted link is followed, and what cannot be read now is neither damaged nor absent."""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import faults
import pytest

from appcore import files, paths
from appcore.checks import fidelity_report, study_report
from appcore.errors import InputError
from appcore.storage.store import Store
from appcore.transfer.backup import backup

WHOLE = [bytes([65 + number]) * 300_000 for number in range(8)]


def failing(number: int) -> Callable[..., Any]:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise OSError(number, os.strerror(number), str(arguments[0]))

    return fail


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o002)
    yield
    os.umask(before)


# ---- reading


@pytest.mark.parametrize("name", ["EACCES", "EPERM", "EMFILE", "ENFILE", "EIO", "ESTALE", "EINTR", "ETIMEDOUT", "ENOMEM", "ELOOP"])
def test_an_error_of_reading_names_the_file_the_reason_and_who_must_do_what(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    monkeypatch.setattr(Path, "open", failing(getattr(errno, name)))
    with pytest.raises(files.UnreadableError) as caught:
        files.read(path)
    said = caught.value.message
    assert "\n" not in said and said.startswith(f"{path} cannot be read now: {os.strerror(getattr(errno, name))}; ")
    assert said.endswith("then try again")
    assert ("must let" in said) == (name in ("EACCES", "EPERM"))
    assert ("ulimit" in said) == (name in ("EMFILE", "ENFILE", "ENOMEM"))
    monkeypatch.undo()
    assert files.read(path) == b"{}"


def test_nothing_there_is_told_from_what_cannot_be_reached(tmp_path: Path) -> None:
    for name in ("gone", "gone/below", "folder", "file/below"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "file").write_text("x")
        with pytest.raises(files.ABSENT):
            files.read(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "unmounted" / "disk")
    with pytest.raises(files.UnreadableError, match="disk or network folder"):
        files.read(tmp_path / "link")
    with pytest.raises(files.UnreadableError):
        files.listed(tmp_path / "link")
    assert files.listed(tmp_path / "gone") == files.listed(tmp_path / "file") == []


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoint-000000001.json").write_text("{}")
    monkeypatch.setattr(Path, "iterdir", failing(errno.EACCES))
    for reader in (paths.manifests, paths.stored_masks, files.listed):
        with pytest.raises(files.UnreadableError, match="Permission denied"):
            reader(tmp_path)


# ---- writing


def test_a_planted_link_is_never_followed(tmp_path: Path) -> None:
    victim, target = tmp_path / "victim", tmp_path / "to" / "config.json"
    victim.write_text("precious")
    target.parent.mkdir()
    for name in (target, paths.temporary(target), target.with_name("config.json.0123456789abcdef.tmp")):
        name.symlink_to(victim)
    files.write(target, "mine")
    assert victim.read_text() == "precious"
    assert target.read_text() == "mine" and not target.is_symlink()
    with files.fresh(paths.temporary(target)) as log:
        log.write(b"log")
    assert victim.read_text() == "precious"


def test_names_of_temporary_files_cannot_be_guessed_or_met_twice(tmp_path: Path) -> None:
    seen: list[str] = []

    def fill(file: IO[bytes]) -> None:
        seen.append(Path(file.name).name)
        with pytest.raises(FileExistsError):
            Path(file.name).touch(exist_ok=False)
        file.write(b"x")

    for _ in range(50):
        files.commit(tmp_path / "a.zip", fill)
    assert len(set(seen)) == 50
    assert all(re.fullmatch(r"a\.zip\.[0-9a-f]{16}\.tmp", name) for name in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_the_mode_follows_the_umask(tmp_path: Path, umask: None) -> None:
    files.write(tmp_path / "a", b"x")
    with files.temporary_folder(tmp_path, ".import-") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) & 0o777 == 0o775
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o664


def write_in_parts(path: Path, content: bytes, barrier: Any) -> None:
    def fill(file: IO[bytes]) -> None:
        barrier.wait()
        for start in range(0, len(content), 1000):
            file.write(content[start : start + 1000])
            file.flush()

    files.commit(path, fill)


@pytest.mark.thorough
def test_of_many_writers_at_once_one_whole_file_wins_and_all_are_told_the_truth(tmp_path: Path) -> None:
    path, context = tmp_path / "a.zip", multiprocessing.get_context("fork")
    for _ in range(5):
        barrier = context.Barrier(len(WHOLE))
        writers = [context.Process(target=write_in_parts, args=(path, content, barrier)) for content in WHOLE]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0] * len(WHOLE)
        assert path.read_bytes() in WHOLE
        assert [each.name for each in tmp_path.iterdir()] == ["a.zip"]


def test_what_a_killed_writer_left_goes_with_the_next_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"

    def die(file: IO[bytes]) -> None:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(3):
        assert faults.in_child(lambda: files.commit(path, die) or 0) == -signal.SIGKILL
    left = list(tmp_path.iterdir())
    assert all(map(files.is_abandoned, left)) and not path.exists()

    def look(file: IO[bytes]) -> None:
        file.write(b"mine")
        mine = Path(file.name)
        assert list(tmp_path.iterdir()) == [mine], "the leftovers are gone"
        assert not files.is_abandoned(mine)
        files.write(path, b"another")  # by somebody who is quicker
        assert mine.exists()

    files.commit(path, look)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_folder_of_a_killed_process_is_told_from_one_in_use(tmp_path: Path) -> None:
    def die() -> int:
        with files.temporary_folder(tmp_path, ".import-") as folder:
            (folder / "x").write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert faults.in_child(die) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert files.is_abandoned(left)
    with files.temporary_folder(tmp_path, ".import-") as folder:
        assert not left.exists()
        assert not files.is_abandoned(folder)
        assert not files.remove(folder) and folder.exists()
    assert not list(tmp_path.iterdir())


def test_a_pipe_or_device_is_neither_waited_for_nor_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        for use in (files.read, lambda path: list(files.chunks(path)), lambda path: files.tail(path, 5)):
            with pytest.raises(files.UnreadableError, match="a pipe or a device, no file; put the file back that belongs there"):
                use(path)
    with pytest.raises(InputError, match="could not be written: it is a folder, a pipe or a device; name another"):
        files.write(pipe, b"x", "name another", "to")
    assert pipe.is_fifo()
    files.write(link, b"x")  # a link is replaced, whatever it leads to
    assert link.read_bytes() == b"x" and pipe.is_fifo()


def test_a_store_is_no_file_to_write_to(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    assert store.runs() == []
    before = (tmp_path / "runs.db").read_bytes()
    for write in (
        lambda path: backup(store, path),
        lambda path: study_report.write(path, tmp_path, "study"),
        lambda path: fidelity_report.write(path, [], {}),
    ):
        with pytest.raises(InputError, match="is a store; name another file"):
            write(tmp_path / "runs.db")
    assert (tmp_path / "runs.db").read_bytes() == before


def test_a_file_that_cannot_be_written_is_one_line_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def full(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match=r"a could not be written: No space left on device; buy a disk") as caught:
        files.commit(path, full, "buy a disk", "to")
    assert caught.value.field == "to"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

    def unreadable(file: IO[bytes]) -> None:
        raise files.UnreadableError(tmp_path / "source", OSError(errno.EACCES, "Permission denied"))

    with pytest.raises(files.UnreadableError, match="source cannot be read now"):  # the source is blamed, not the target
        files.commit(path, unreadable)
