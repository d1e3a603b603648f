"""The one way to read and write files without a loss. Knows no formats.

A file is written under a name that nobody can guess, then put into place in one step: it is whole or absent, no planted link is followed,
and of two writers the later one wins, whole. A file that cannot be read *now* (permission, too many open files, a disk or mount that does
not answer) is an UnreadableError and never counts as damaged or absent: only content that was read can be wrong.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import pwd
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from .errors import InputError

ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
LOCK = ".lock"  # in a temporary folder; the process that uses the folder holds it
REMEDY = "free disk space or mend permissions"
_CHUNK = 2**20
_DATABASE = b"SQLite format 3\0"  # how a file of SQLite begins
_TEMPORARY = re.compile(r"(.+)\.[0-9a-f]{16}\.tmp")
_TOO_MANY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_FORBIDDEN = (errno.EACCES, errno.EPERM)


class UnreadableError(InputError):
    """What may well be whole cannot be read now: one line that names it, why, and who must mend what."""

    def __init__(self, path: Path | str, error: OSError):
        super().__init__(f"{path} cannot be read now: {error.strerror or type(error).__name__}; {_mend(Path(path), error)}", "file")
        self.is_passing = error.errno not in _FORBIDDEN  # it may be over without anybody mending anything


def _mend(path: Path, error: OSError) -> str:
    if error.errno in _FORBIDDEN:
        return f"{_owner(path)} must let {_name(os.geteuid())} read it, then try again"
    if error.errno == errno.ENXIO:
        return "put the file back that belongs there, then try again"
    if error.errno in _TOO_MANY:
        return "end other programs, or allow more open files (ulimit -n), then try again"
    return "see that its disk or network folder answers, then try again"


def _owner(path: Path) -> str:
    """Who may change the permissions of a file, or of the nearest folder above it that can be seen."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            return _name(place.stat().st_uid)
    return "its owner"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


# ---- reading


def read(path: Path) -> bytes:
    """All bytes of a file. UnreadableError where it cannot be read now; FileNotFoundError and the like (ABSENT) where there is none."""
    with _reading(path) as file:
        return file.read()


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, part by part; errors as in `read`."""
    with _reading(path) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def tail(path: Path, most: int) -> tuple[bytes, int, float]:
    """The last `most` bytes of a file, the bytes of all of it, and when it was last written (seconds since 1970); errors as in `read`."""
    with _reading(path) as file:
        size, written = file.seek(0, os.SEEK_END), os.fstat(file.fileno()).st_mtime
        file.seek(max(0, size - most))
        return file.read(most), size, written


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        _refuse_pipe(path)
        with path.open("rb") as file:
            yield file
    except ABSENT as error:
        if is_link(path):  # what it leads to may lie on a disk that is not there now
            raise UnreadableError(path, error) from error
        raise
    except OSError as error:
        raise UnreadableError(path, error) from error


def _refuse_pipe(path: Path) -> None:
    """OSError for a pipe or a device, whose reader waits for ever for somebody who writes."""
    kind = 0
    with suppress(OSError):  # opening it says what is wrong
        kind = path.stat().st_mode
    if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
        raise OSError(errno.ENXIO, "a pipe or a device, no file")


def digest_of(path: Path, field: str) -> str:
    """SHA-256 of a file that a user named; InputError of that field for one that cannot be read. Remembered while it is the same."""
    try:
        facts = path.stat()
        if not path.is_file():
            raise InputError(f"{field}: {str(path)!r} is no file; give the path of one", field)
        return _digest_of(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{field}: {str(path)!r} cannot be read ({reason}); give the path of a file", field) from None


@lru_cache(maxsize=64)
def _digest_of(path: Path, *_: int) -> str:
    found = hashlib.sha256()
    for part in chunks(path):
        found.update(part)
    return found.hexdigest()


def listed(folder: Path) -> list[Path]:
    """What lies in a folder, by name; empty where there is no folder. UnreadableError where it cannot be listed, which Path.glob hides."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError as error:
        if is_link(folder):  # as in `_reading`
            raise UnreadableError(folder, error) from error
        return []
    except NotADirectoryError:
        return []
    except OSError as error:
        raise UnreadableError(folder, error) from error


def is_link(path: Path) -> bool:
    """Whether there is a symbolic link of that name; False where that cannot be seen."""
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except OSError:
        return False


# ---- writing


def commit(path: Path, fill: Callable[[IO[bytes]], Any], remedy: str = REMEDY, field: str = "store") -> None:
    """Let `fill` write a new file, then put it in place of `path` in one step that survives a power cut. Its mode follows the umask.

    InputError, one line that ends with the `remedy`, where it cannot be written; then `path` is as before. What `fill` reads from
    elsewhere must raise other errors than OSError, as `read` does, or the target would be blamed.
    """
    try:
        if not path.is_symlink() and path.exists() and not path.is_file():
            raise FileExistsError(errno.EEXIST, "it is a folder, a pipe or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        _commit(path, fill)
    except OSError as error:
        raise InputError(f"{path} could not be written: {error.strerror or error}; {remedy}", field) from error


def refuse_store(path: Path, field: str) -> None:
    """InputError where a file that a user names to be written is a database, which may hold all runs of somebody."""
    with suppress(*ABSENT), _reading(path) as file:
        if file.read(len(_DATABASE)) == _DATABASE:
            raise InputError(f"{path} is a store; name another file", field)


def write(path: Path, data: bytes | str, remedy: str = REMEDY, field: str = "store") -> None:
    """Put bytes, or a text as UTF-8, into a file; see `commit`."""
    content = data.encode() if isinstance(data, str) else data
    commit(path, lambda file: file.write(content), remedy, field)


def _commit(path: Path, fill: Callable[[IO[bytes]], Any]) -> None:
    _clear(path.parent, lambda name: (found := _TEMPORARY.fullmatch(name)) is not None and found[1] == path.name)
    file = _new(path)
    temporary = Path(file.name)
    try:
        with file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def _new(path: Path) -> IO[bytes]:
    """A new file beside `path`, open for writing and reading and locked, so that nobody takes it for a leftover."""
    while True:
        name = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        file = name.open("x+b")  # exclusive: an existing file or link of that name is an error
        _lock(file)
        if name.exists():  # else it was taken for a leftover before it was locked
            return file
        file.close()


def _lock(file: IO[bytes]) -> None:
    with suppress(OSError):  # a file system without locks: then nothing counts as a leftover
        fcntl.flock(file, fcntl.LOCK_EX)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a power cut."""
    with suppress(PermissionError):  # one that may be written and not listed
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def fresh(path: Path) -> IO[bytes]:
    """A new empty file in place of `path`, for a log that is written bit by bit; a link of that name is removed, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path.open("xb")


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder of a name that nobody can guess, with the permissions of any new folder there; removed at the end.

    Those of the same `prefix` that processes left which were killed are removed as well.
    """
    _clear(parent, lambda name: name.startswith(prefix))
    folder, lock = _new_folder(parent, prefix)
    try:
        with lock:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _new_folder(parent: Path, prefix: str) -> tuple[Path, IO[bytes]]:
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(8)}"
        folder.mkdir()
        lock = (folder / LOCK).open("xb")
        _lock(lock)
        if folder.exists():  # as in `_new`
            return folder, lock
        lock.close()


# ---- leftovers of processes that were killed


def is_temporary(name: str) -> bool:
    """Whether this is a name under which `commit` writes."""
    return _TEMPORARY.fullmatch(name) is not None


def is_abandoned(path: Path) -> bool:
    """Whether the process that made a temporary file or folder has ended, judged by its lock; False where nothing proves it."""
    with _taken(path) as is_taken:
        return is_taken


def remove(path: Path) -> bool:
    """Remove a temporary file or folder if it is abandoned; whether it was."""
    with _taken(path) as is_taken:
        if is_taken and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif is_taken:
            path.unlink(missing_ok=True)
        return is_taken


@contextmanager
def _taken(path: Path) -> Iterator[bool]:
    """Whether the lock of a temporary file or folder could be taken; it is held within the block."""
    descriptor = -1
    try:
        place = path / LOCK if stat.S_ISDIR(path.lstat().st_mode) else path
        descriptor = os.open(place, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_taken = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        is_taken = False
    try:
        yield is_taken
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _clear(folder: Path, is_meant: Callable[[str], bool]) -> None:
    """Remove temporary files and folders of these names that are abandoned."""
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if is_meant(entry.name)]:
            remove(folder / name)
