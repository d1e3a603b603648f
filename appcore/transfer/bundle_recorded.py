"""The light bundles of recorded runs, into a store: by their checksums they are this program's own files, so they are not judged again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from .. import files, paths
from ..config import RunConfig
from ..storage import run_folder
from ..storage.store import Store
from . import bundle_record
from .bundle_record import EVENTS, RECORD


def read(data: bytes) -> tuple[bundle_record.Record, RunConfig, list[bundle_record.RecordedEvent]]:
    """The run of a light bundle without its masks."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return bundle_record.parsed(file.read(RECORD), file.read(EVENTS).splitlines())


def add(store: Store, bundles: Iterable[tuple[bytes, dict[str, Any]]]) -> list[str]:
    """Add the runs of light bundles to a store as recorded ones, all of them or none; returns their ids.

    With each bundle comes how it was made, see row_rules.
    """
    runs = [(*read(data), data, mark) for data, mark in bundles]
    with files.temporary_folder(store.folder, paths.IMPORT_PREFIX) as staging, store.files.arriving() as arrive, store.alone() as inside:
        for record, config, entries, data, mark in runs:
            folder = _unpacked(data, staging / record.run_id)
            place: Callable[[Connection], None] = partial(arrive, folder=folder, run_id=record.run_id)
            if not folder.exists() or run_folder.has_saved(paths.run_folder(store.folder, record.run_id)):
                place = _leave_files  # none, or those that another store in this folder has of the same run
            columns = bundle_record.columns(record, config)
            events, seqs = [one.event for one in entries], [one.nth for one in entries]
            inside.add(record.run_id, config, events, seqs=seqs, place=place, saved=None, recorded=mark, **columns)
    return [record.run_id for record, *_ in runs]


def _unpacked(data: bytes, folder: Path) -> Path:
    """The folder with the masks of a light bundle; not there where it has none."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        for name in file.namelist():
            if name.startswith("masks/"):
                (folder / "masks").mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(file.read(name))
    return folder


def _leave_files(connection: Connection) -> None:
    """Place nothing."""
