"""The light bundle of a recorded run, into a store: by its checksum it is this program's own file, so it is not judged again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import partial
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


def add(store: Store, data: bytes, mark: dict[str, Any]) -> str:
    """Add the run of a light bundle to a store as a recorded one; returns its id. `mark`: how it was made, see row_rules."""
    record, config, entries = read(data)
    events, seqs = [one.event for one in entries], [one.nth for one in entries]
    columns = bundle_record.columns(record, config)
    with files.temporary_folder(store.folder, paths.IMPORT_PREFIX) as staging, store.files.arriving() as arrive:
        folder = staging / record.run_id
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            for name in file.namelist():
                if name.startswith("masks/"):
                    (folder / "masks").mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(file.read(name))
        place: Callable[[Connection], None] = partial(arrive, folder=folder, run_id=record.run_id)
        if not folder.exists() or run_folder.has_saved(paths.run_folder(store.folder, record.run_id)):
            place = _leave_files  # none, or those that another store in this folder has of the same run
        store.add(record.run_id, config, events, seqs=seqs, place=place, saved=None, recorded=mark, **columns)
    return record.run_id


def _leave_files(connection: Connection) -> None:
    """Place nothing."""
