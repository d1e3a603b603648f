"""Rows that break a rule (row_rules.py), found in the whole store and put aside into a file beside it, from which they can be mended."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, select

from .. import paths
from ..statuses import ACTIVE
from . import heartbeat, row_rules, schema
from .database import Database
from .rows import Unreadable

_TABLES = (schema.runs, schema.sweeps, *schema.EVENT_TABLES)


def unreadable(database: Database) -> list[Unreadable]:
    """Every row of the store that cannot be read."""
    with database.read() as connection:
        return [Unreadable(table.name, _owner(table, row), problem) for table, row, problem in _found(connection)]


def move(database: Database) -> tuple[Path | None, int, int]:
    """Put every row that cannot be read into a new file, with all rows of a run whose own row it is.

    Returns the file, how many rows it holds, and how many were left because their run is going on.
    """
    with database.read() as connection:
        broken = [row for table, row, _ in _found(connection) if table is schema.runs]
    while any(_life(database, row) == "unsure" for row in broken):  # only its clock says that it goes on
        time.sleep(heartbeat.BEAT_SECONDS / 4)
    with database.write() as connection:
        moved: list[tuple[Table, dict[str, Any]]] = []
        left = 0
        for table, row, _ in _found(connection):
            if table is schema.runs and _life(database, row) != "gone":
                left += 1
                continue
            whole = {schema.runs: schema.OWNED_TABLES, schema.sweeps: (schema.sweep_runs,)}.get(table, ())
            key = "sweep_id" if table is schema.sweeps else "run_id"
            for other in whole:
                moved += [(other, dict(one)) for one in connection.execute(select(other).where(other.c[key] == row[key])).mappings()]
            moved.append((table, row))
        if not moved:
            return None, 0, left
        path = _written(database.folder, moved)
        for table, row in moved:
            connection.execute(delete(table).where(and_(*(column == row[column.name] for column in table.primary_key))))
    return path, len(moved), left


def _found(connection: Connection) -> list[tuple[Table, dict[str, Any], str]]:
    lengths: dict[Any, int] = {}
    found = []
    for table in _TABLES:
        for row in connection.execution_options(yield_per=1000).execute(select(table)).mappings():
            values = dict(row)
            problem = row_rules.problem(table, values)
            if table is schema.runs and not problem:
                lengths[values["run_id"]] = values["config"]["megabatches"]
            if table in schema.EVENT_TABLES and values["run_id"] in lengths:
                problem = problem or row_rules.beyond(values, lengths[values["run_id"]])
            elif table in schema.EVENT_TABLES:
                continue  # it goes with its run
            if problem:
                found.append((table, values, problem))
    return found


def _owner(table: Table, row: dict[str, Any]) -> str:
    return str(row["sweep_id" if table is schema.sweeps else "run_id"])


def _life(database: Database, row: dict[str, Any]) -> heartbeat.Life:
    return database.sightings.judge(row) if row["status"] in ACTIVE else "gone"


def _written(folder: Path, moved: list[tuple[Table, dict[str, Any]]]) -> Path:
    """A new file with a line for each row: its table, and the row as it was."""
    path = paths.quarantine(folder, datetime.now(UTC))
    with path.open("x", encoding="utf-8") as file:
        for table, row in moved:
            file.write(json.dumps({"table": table.name, "row": row}, default=repr) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path
