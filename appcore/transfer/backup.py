"""Backup of a whole store as one file, and its restore: every row and file of every run, between SQLite and PostgreSQL too.

A backup is a zip of `files/RUN/...`, `code/DIGEST.py`, `kept.json`, `tables/NAME.jsonl` and, last, `manifest.json` with size and SHA-256
of each. It may be made while runs go on: files come first, so no checkpoint is newer than the rows. Recorded runs stay out: every
installation brings them. It is read back by the rules of a restore before it counts. A restore needs an empty store, and checks the file
like a bundle from an untrusted source.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import psutil
from sqlalchemy import select, text, update

from .. import files, paths
from ..errors import InputError
from ..storage import claims, row_rules, schema
from ..storage.database import Database
from ..storage.schema import runs
from ..storage.store import Store
from ..untrusted.member import MAX_MEMBERS
from ..untrusted.refusals import shown
from ..untrusted.zip_file import Capped, bomb, opened, overlap, problem
from . import backup_code, backup_kept, backup_rows
from .bundle_import import BROKEN

FORMATS = (1, 2, 3)  # 2 where there is code, 3 where there is what users saved, neither of which version 0.1.0 did know
MANIFEST = "manifest.json"
# Every name under which this program keeps a file of a run.
_FILE = re.compile(
    rf"files/({row_rules.RUN_ID.strip('^$')})/(worker\.log|checkpoint-[0-9]{{9}}\.(json(\.damaged)?|safetensors)"
    r"|masks/([0-9]{9}|removals)\.safetensors|exports/[a-z]+-[0-9]{9}\.(safetensors|onnx|json))"
)
_MOST_BYTES = 2**40
_ENTRY_BYTES = 2**12  # of memory, at most a third of which a file of a backup takes in lists of contents
_PASSES = 3  # files of an active run may vanish while others are copied
_CHUNK = 2**20


def backup(store: Store, to: str | Path) -> dict[str, int]:
    """Write every run of the store into one file; returns {"runs", "files", "bytes", "left_out"}. Active runs are not disturbed.

    `left_out` counts files in the folders of runs that are not the program's. InputError where the file would not restore.
    """
    path = Path(to).expanduser()
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it, e.g. {path / 'backup.zip'}", "to")
    files.refuse_store(path, "to")
    database = Database(store.url, 10.0)
    told: dict[str, int] = {}

    def write(file: IO[bytes]) -> None:
        rows, unreadable = store.survey()
        if unreadable:
            remedy = "put it aside with `python -m appcore doctor --repair`, then back up"
            raise InputError(f"run {unreadable[0]} cannot be read; {remedy}", "store")
        run_ids, code = [row["run_id"] for row in rows], dict(backup_code.kept(store, rows))
        for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):  # the second where the first would look like a bomb
            file.seek(0)
            file.truncate()
            found, left_out = _write(file, store.folder, run_ids, code, database, packing)
            if not bomb(found):
                break
        count = sum(entry.filename.startswith(("files/", "code/")) for entry in found)
        told.update(runs=len(run_ids), files=count, bytes=file.seek(0, os.SEEK_END), left_out=left_out)
        try:
            with _plain_words(path):
                _Backup(Capped(file.fileno(), _most_entries())).prove()
        except InputError as error:
            raise InputError(f"nothing was written, for it could not be restored: {error.message}", "to") from error

    try:
        files.commit(path, write, "free disk space or name another file", "to")
    finally:
        database.engine.dispose()
    return told


def _write(
    to: IO[bytes], folder: Path, run_ids: Collection[str], code: Mapping[str, bytes], database: Database, packing: int
) -> tuple[list[zipfile.ZipInfo], int]:
    """Write a backup; returns its entries, and how many files were left out."""
    listed: dict[str, dict[str, Any]] = {}
    left_out: set[Path] = set()
    with zipfile.ZipFile(to, "w") as file:
        for run_id in run_ids:
            for name, parts in _files(paths.run_folder(folder, run_id), left_out):
                listed[name] = _put(file, name, parts, zipfile.ZIP_STORED)
        for name, content in code.items():
            listed[name] = _put(file, name, iter([content]), zipfile.ZIP_STORED)
        with database.read() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            if kept := backup_kept.packed(connection):
                listed[backup_kept.NAME] = _put(file, backup_kept.NAME, iter([kept]), packing)
            for name, table in backup_rows.TABLES.items():
                listed[name] = _put(file, name, backup_rows.lines(connection, table, set(run_ids)), packing)
        manifest = {"format": 3 if kept else 2 if code else 1, "program": "appcore", "schema": schema.VERSION, "members": listed}
        file.writestr(MANIFEST, json.dumps(manifest), zipfile.ZIP_DEFLATED)
    to.flush()
    return file.infolist(), len(left_out)


def _files(root: Path, left_out: set[Path]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and content of each file of a run. Checkpoints before masks, so that every mask that a checkpoint refers to is included.

    UnreadableError for one that cannot be read now: a backup without it would be none.
    """
    done = set()
    for _ in range(_PASSES):
        has_vanished = False
        for path in _all(root):
            name = f"files/{root.name}/{path.relative_to(root).as_posix()}"
            if name in done or name.endswith(".tmp"):
                continue
            if not _FILE.fullmatch(name) or files.is_link(path):
                left_out.add(path)
                continue
            try:
                content = files.chunks(path)
                first = next(content, b"")
            except IsADirectoryError:
                left_out.add(path)
                continue
            except FileNotFoundError:
                has_vanished = True
                continue
            done.add(name)
            yield name, chain([first], content)
        if not has_vanished:
            return


def _all(root: Path) -> list[Path]:
    """What lies in a folder and in the folders in it, without the hidden."""
    top = [path for path in files.listed(root) if not path.name.startswith(".")]
    return [*(path for path in top if not _is_folder(path)), *chain.from_iterable(map(files.listed, top))]


def _is_folder(path: Path) -> bool:
    try:
        return not files.is_link(path) and path.is_dir()
    except OSError as error:  # of a folder that only lists its names
        raise files.UnreadableError(path, error) from error


def _put(file: zipfile.ZipFile, name: str, parts: Iterator[bytes], packing: int) -> dict[str, Any]:
    info = zipfile.ZipInfo(name)
    info.compress_type = packing
    digest, size = hashlib.sha256(), 0
    with file.open(info, "w", force_zip64=True) as target:
        for part in parts:
            target.write(part)
            digest.update(part)
            size += len(part)
    return {"size": size, "sha256": digest.hexdigest()}


# ---- restore


def restore(store: Store, path: str | Path) -> dict[str, int]:
    """Restore a backup into an empty store, all or nothing; returns {"runs"}, {"code"} where Python files of networks came along that may
    not be run yet (see models/own_code), {"saved"} where views and presets did. Runs that were active get the status lost."""
    path = Path(path).expanduser()
    with _plain_words(path), opened(path, _most_entries()) as file:
        return _restore(store, _Backup(file))


@contextmanager
def _plain_words(path: Path) -> Iterator[None]:
    """Turn any error that a broken file causes into one line that names the file."""
    try:
        yield
    except InputError as error:
        if error.field == "store":
            raise
        raise InputError(f"backup {shown(path)}: {shown(error.message, 400)}", "file") from error
    except FileNotFoundError as error:
        raise InputError(f"backup {shown(path)}: there is no such file", "file") from error
    except OSError as error:
        raise InputError(f"backup {shown(path)}: {error.strerror or error}", "file") from error
    except (*BROKEN, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"backup {shown(path)}: it cannot be read ({type(error).__name__}: {shown(error)})", "file") from error


def _most_entries() -> int:
    """How many files a backup may hold: as many as there is memory for."""
    return max(MAX_MEMBERS, psutil.virtual_memory().available // _ENTRY_BYTES)


class _Backup:
    """A zip whose list of contents was checked to be that of a backup."""

    def __init__(self, file: IO[bytes]):
        self._zip = zipfile.ZipFile(file)
        infos = self._zip.infolist()
        for info in infos:
            name = info.orig_filename
            is_file, is_code = (form.fullmatch(name) is not None for form in (_FILE, backup_code.FILE))
            most = backup_code.MOST_BYTES if is_code else backup_kept.MOST_BYTES if name == backup_kept.NAME else _MOST_BYTES
            found = problem(info, most, nested=is_file, dense=True)
            is_known = is_file or is_code or name in backup_rows.TABLES or name in (backup_kept.NAME, MANIFEST)
            found = found or ("" if is_known else "does not belong in a backup")
            _require(not found, f"member {shown(name)} {found}")
        sizes = {info.filename: info.file_size for info in infos}
        _require(len(sizes) == len(infos), "a member occurs twice")
        _require(not (found := bomb(infos) or overlap(infos, self._zip.start_dir)), found)
        most = backup_rows.MOST_LINE + 512 * len(infos)
        _require(sizes.pop(MANIFEST, most + 1) <= most, "it has no manifest: it is no backup, or was never finished")
        manifest = json.loads(b"".join(self._parts(MANIFEST)))
        _require(manifest["format"] in FORMATS, f"its format {shown(manifest['format'])} is not known here; update the program")
        _require(manifest["schema"] <= schema.VERSION, f"it is of a newer version (schema {manifest['schema']}); update the program")
        self.members: dict[str, dict[str, Any]] = manifest["members"]
        _require({name: one["size"] for name, one in self.members.items()} == sizes, "its members are not those of its manifest")
        self.size = sum(sizes.values())

    def _parts(self, name: str) -> Iterator[bytes]:
        with self._zip.open(name) as source:
            while part := source.read(_CHUNK):
                yield part

    def unpack(self, folder: Path) -> None:
        """Write every member into `folder`, verified."""
        for name in self.members:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                self._verify(name, file.write)

    def _verify(self, name: str, take: Callable[[bytes], object]) -> None:
        digest, left = hashlib.sha256(), self.members[name]["size"]
        for part in self._parts(name):
            left -= len(part)
            _require(left >= 0, f"member {name} is longer than it says")
            digest.update(part)
            take(part)
        _require(digest.hexdigest() == self.members[name]["sha256"], f"member {name} is damaged: its checksum differs")

    def prove(self) -> None:
        """Check all that a restore checks, without a store."""
        for name in self.members:
            self._verify(name, len)
        if backup_kept.NAME in self.members:
            backup_kept.read(b"".join(self._parts(backup_kept.NAME)))
        lengths: dict[str, int] = {}
        for name, table in backup_rows.TABLES.items():
            with self._zip.open(name) as file:
                for _ in backup_rows.read(table, file, lengths):
                    pass


def _restore(store: Store, found: _Backup) -> dict[str, int]:
    store.folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store.folder).free
    _require(found.size < free, f"it needs {found.size:,} bytes and {free:,} are free; make room first")
    database = Database(store.url, 10.0)
    try:
        with files.temporary_folder(store.folder, paths.IMPORT_PREFIX) as folder:
            found.unpack(folder)
            os.sync()  # once for all files: rows must not survive a power cut without them
            with store.files.arriving() as place, database.alone() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text("LOCK TABLE runs"))  # nobody adds one meanwhile
                taken = sum(backup_rows.own(connection, table) for table in backup_rows.TABLES.values())
                _require(taken == 0, f"the store {database.name} is not empty; name another with {paths.STORE_VARIABLE}")
                lengths: dict[str, int] = {}
                for name, table in backup_rows.TABLES.items():
                    if (folder / name).exists():
                        backup_rows.fill(connection, table, folder / name, lengths)
                known = list(connection.scalars(select(runs.c.run_id).where(claims.is_own())))
                for run_id in known:
                    source = paths.run_folder(folder / "files", run_id)
                    if not paths.manifests(source):  # none was saved, or not yet when its files were copied
                        connection.execute(update(runs).where(runs.c.run_id == run_id).values(saved=None))
                    if source.exists():
                        place(connection, source, run_id)
                saved = backup_kept.put_back(connection, folder)
                code = backup_code.put_back(store.folder, folder)
    finally:
        database.engine.dispose()
    return {"runs": len(known)} | {name: count for name, count in (("code", code), ("saved", saved)) if count}


def _require(is_so: Any, otherwise: str) -> None:
    if not is_so:
        raise InputError(otherwise)
