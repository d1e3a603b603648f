"""Backup of a whole store as one file, and its restore: every row and file of every run, between SQLite and PostgreSQL too.

A backup is a zip of `files/RUN/...`, `tables/NAME.jsonl` and, last, `manifest.json` with size and SHA-256 of each. It may be made
while runs go on: files come first, so no checkpoint is newer than the rows. A restore needs an empty store, and checks the
file like a bundle from an untrusted source.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Column, Connection, Table, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from .. import paths
from ..errors import InputError
from ..statuses import ACTIVE
from ..storage import checkpoint, row_rules, schema
from ..storage.database import Database
from ..storage.schema import plain, runs
from ..storage.store import Store
from ..untrusted.refusals import shown
from ..untrusted.zip_file import Capped, overlap, problem
from .bundle_import import BROKEN

FORMAT = 1
MANIFEST = "manifest.json"
# Every name under which this program keeps a file of a run.
_FILE = re.compile(
    rf"files/({row_rules.RUN_ID.strip('^$')})/(worker\.log|checkpoint-[0-9]{{9}}\.(json(\.damaged)?|safetensors)"
    r"|masks/[0-9]{9}\.safetensors|exports/[a-z]+-[0-9]{9}\.(safetensors|onnx|json))"
)
_TABLES = {f"tables/{table.name}.jsonl": table for table in schema.metadata.sorted_tables if table is not schema.meta}
_MOST_BYTES = 2**40
_MOST_LINE = 64 * 2**20
_PASSES = 3  # files of an active run may vanish while others are copied
_CHUNK = 2**20


def backup(store: Store, to: str | Path) -> dict[str, int]:
    """Write every run of the store into one file; returns {"runs", "files", "bytes"}. Active runs are not disturbed."""
    path = Path(to).expanduser()
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it, e.g. {path / 'backup.zip'}", "to")
    database, listed = Database(store.url, 10.0), {}
    run_ids = [row["run_id"] for row in store.runs()]

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w") as file:
            for run_id in run_ids:
                for name, source in _files(store.folder, run_id):
                    with source:
                        listed[name] = _put(file, name, iter(partial(source.read, _CHUNK), b""))
            with database.read() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                for name, table in _TABLES.items():
                    listed[name] = _put(file, name, _lines(connection, table))
            manifest = {"format": FORMAT, "program": "appcore", "schema": schema.VERSION, "members": listed}
            file.writestr(MANIFEST, json.dumps(manifest), zipfile.ZIP_DEFLATED)

    try:
        checkpoint.commit(path, write)
    except OSError as error:
        raise InputError(f"{path} could not be written: {error.strerror or error}; free disk space or name another file", "to") from error
    finally:
        database.engine.dispose()
    return {"runs": len(run_ids), "files": len(listed) - len(_TABLES), "bytes": path.stat().st_size}


def _files(folder: Path, run_id: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file of a run. Checkpoints before masks, so that every mask that a checkpoint refers to is included."""
    root, done = paths.run_folder(folder, run_id), set()
    for _ in range(_PASSES):
        vanished = False
        for path in [*sorted(root.glob("*")), *sorted(root.glob("*/*"))]:
            name = f"files/{run_id}/{path.relative_to(root).as_posix()}"
            if name in done or not _FILE.fullmatch(name) or name.endswith(".tmp") or path.is_symlink() or not path.is_file():
                continue
            try:
                source = path.open("rb")
            except FileNotFoundError:
                vanished = True
                continue
            done.add(name)
            yield name, source
        if not vanished:
            return


def _lines(connection: Connection, table: Table) -> Iterator[bytes]:
    for row in connection.execution_options(yield_per=1000).execute(select(table)).mappings():
        yield json.dumps(dict(row)).encode() + b"\n"


def _put(file: zipfile.ZipFile, name: str, parts: Iterator[bytes]) -> dict[str, Any]:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
    digest, size = hashlib.sha256(), 0
    with file.open(info, "w", force_zip64=True) as target:
        for part in parts:
            target.write(part)
            digest.update(part)
            size += len(part)
    return {"size": size, "sha256": digest.hexdigest()}


# ---- restore


def restore(store: Store, path: str | Path) -> dict[str, int]:
    """Restore a backup into an empty store, all or nothing; returns {"runs"}. Runs that were active get the status lost."""
    path = Path(path).expanduser()
    try:
        with Capped(path) as file:
            return _restore(store, _Backup(file))
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


class _Backup:
    """A zip whose list of contents was checked to be that of a backup."""

    def __init__(self, file: IO[bytes]):
        self._zip = zipfile.ZipFile(file)
        infos = self._zip.infolist()
        for info in infos:
            is_known = info.orig_filename in _TABLES or info.orig_filename == MANIFEST or _FILE.fullmatch(info.orig_filename)
            found = problem(info, _MOST_BYTES) or ("" if is_known else "does not belong in a backup")
            _require(not found, f"member {shown(info.orig_filename)} {found}")
        sizes = {info.filename: info.file_size for info in infos}
        _require(len(sizes) == len(infos), "a member occurs twice")
        _require(not (found := overlap(infos, self._zip.start_dir)), found)
        _require(sizes.pop(MANIFEST, _MOST_LINE + 1) <= _MOST_LINE, "it has no manifest: it is no backup, or was never finished")
        manifest = json.loads(self._zip.read(MANIFEST))
        _require(manifest["format"] == FORMAT, f"its format {shown(manifest['format'])} is not known here; update the program")
        _require(manifest["schema"] <= schema.VERSION, f"it is of a newer version (schema {manifest['schema']}); update the program")
        self.members: dict[str, dict[str, Any]] = manifest["members"]
        _require({name: one["size"] for name, one in self.members.items()} == sizes, "its members are not those of its manifest")
        self.size = sum(sizes.values())

    def unpack(self, folder: Path) -> None:
        """Write every member into `folder`, verified."""
        for name, listed in self.members.items():
            target, digest, left = folder / name, hashlib.sha256(), listed["size"]
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._zip.open(name) as source, target.open("xb") as file:
                while part := source.read(_CHUNK):
                    left -= len(part)
                    _require(left >= 0, f"member {name} is longer than it says")
                    digest.update(part)
                    file.write(part)
            _require(digest.hexdigest() == listed["sha256"], f"member {name} is damaged: its checksum differs")


def _restore(store: Store, found: _Backup) -> dict[str, int]:
    store.folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store.folder).free
    _require(found.size < free, f"it needs {found.size:,} bytes and {free:,} are free; make room first")
    database, placed = Database(store.url, 10.0), []
    folder = Path(tempfile.mkdtemp(prefix=paths.IMPORT_PREFIX, dir=store.folder))
    try:
        found.unpack(folder)
        with database.write() as connection:
            taken = sum(connection.scalar(select(func.count()).select_from(table)) for table in _TABLES.values())
            _require(taken == 0, f"the store {database.name} is not empty; name another with {paths.STORE_VARIABLE}")
            lengths: dict[str, int] = {}
            for name, table in _TABLES.items():
                if (folder / name).exists():
                    _fill(connection, table, folder / name, lengths)
            known = set(connection.scalars(select(runs.c.run_id)))
            for source in sorted((folder / "files").glob("*")) if known else ():
                target = paths.run_folder(store.folder, source.name)
                _require(not target.exists(), f"files of run {source.name} are there already in {store.folder}; move them away")
                if source.name in known:
                    source.rename(target)
                    placed.append(target)
    except BaseException:
        for target in placed:
            shutil.rmtree(target, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        database.engine.dispose()
    return {"runs": len(known)}


def _fill(connection: Connection, table: Table, path: Path, lengths: dict[str, int]) -> None:
    """Add the rows of one table; `lengths`: megabatches of each run, filled from the table of runs, which comes first."""
    rows: list[dict[str, Any]] = []
    with path.open("rb") as file:
        while line := file.readline(_MOST_LINE):
            row = json.loads(line)
            _judge(table, row, lengths)
            if table is runs and row["status"] in ACTIVE:  # by a process that does not know this store
                row |= {"pid": None, "host": None, "heartbeat": 0.0, "command": None}
            rows.append({column.name: _value(column, row) for column in table.columns})
            if len(rows) == 1000:
                _insert(connection, table, rows)
                rows = []
    if rows:
        _insert(connection, table, rows)


def _value(column: Column, row: dict[str, Any]) -> Any:
    """The value of a row in a column; of a row that is older than the column, its default."""
    if column.name in row:
        value = row[column.name]
        return plain(value) if isinstance(value, (str, dict, list)) else value
    return getattr(column.default, "arg", None if column.nullable else "")


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    try:
        connection.execute(insert(table), rows)
    except IntegrityError:
        raise InputError(f"table {table.name} has a row twice, or one that belongs to an ablation that is not in the backup") from None


def _judge(table: Table, row: Any, lengths: dict[str, int]) -> None:
    """Check a row by the rules by which imports and the store itself judge; remember the length of a run."""
    _require(isinstance(row, dict), f"table {table.name} has a line that is no row")
    _require(set(row) <= {column.name for column in table.columns}, f"table {table.name} has columns that are not known here")
    run_id, found = row.get("run_id"), row_rules.problem(table, row)
    if table in schema.OWNED_TABLES and not found:
        found = "" if run_id in lengths else "its run is not in the backup"
        found = found or (row_rules.beyond(row, lengths[run_id]) if table is not schema.sweep_runs else "")
    _require(not found, f"table {table.name}, {shown(run_id or row.get('sweep_id'))}: {found}")
    if table is runs:
        lengths[row["run_id"]] = row["config"]["megabatches"]


def _require(is_so: Any, otherwise: str) -> None:
    if not is_so:
        raise InputError(otherwise)
