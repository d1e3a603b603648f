"""The rows of a backup: a file of lines for each table, each a row as JSON, judged by the rules by which the store itself judges."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Column, Connection, Table, func, insert, not_, select
from sqlalchemy.exc import IntegrityError

from ..errors import InputError
from ..statuses import ACTIVE
from ..storage import claims, row_rules, schema
from ..storage.schema import plain, runs
from ..untrusted.refusals import shown

_OTHERS = (schema.meta, schema.run_readers, *schema.PASSING)
TABLES = {f"tables/{table.name}.jsonl": table for table in schema.metadata.sorted_tables if table not in _OTHERS}
MOST_LINE = 64 * 2**20


def lines(connection: Connection, table: Table, run_ids: Collection[str]) -> Iterator[bytes]:
    """The rows of these runs, not judged; one that began later has no files in the backup."""
    for row in connection.execution_options(yield_per=1000).execute(select(table)).mappings():
        if "run_id" not in row or row["run_id"] in run_ids:
            yield json.dumps(dict(row), default=_no_json).encode() + b"\n"


def _no_json(value: Any) -> dict[str, str]:
    """In place of bytes, which SQLite takes in any column: what no rule for one takes."""
    return {type(value).__name__: repr(value)}


def own(connection: Connection, table: Table) -> int:
    """How many rows a table has, but for those of recorded runs."""
    query = select(func.count()).select_from(table)
    recorded = select(runs.c.run_id).where(not_(claims.is_own()))
    return connection.scalar(query.where(table.c.run_id.not_in(recorded)) if "run_id" in table.c else query) or 0


def fill(connection: Connection, table: Table, path: Path, lengths: dict[str, int]) -> None:
    """Add the rows of a file to a table, judged; `lengths` as in `read`."""
    with path.open("rb") as file:
        rows = read(table, file, lengths)
        while batch := list(islice(rows, 1000)):
            if table is runs:
                batch = [row | {"revision": schema.first_revision()} for row in batch]
            try:
                connection.execute(insert(table), batch)
            except IntegrityError:
                what = "has a row twice, or one that belongs to an ablation that is not in the backup"
                raise InputError(f"table {table.name} {what}") from None


def read(table: Table, file: IO[bytes], lengths: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The rows of a member, judged; `lengths`: megabatches of each run, filled from the table of runs, which comes first."""
    for line in iter(partial(file.readline, MOST_LINE), b""):
        row = json.loads(line)
        _judge(table, row, lengths)
        if table is runs and row["status"] in ACTIVE:  # by a process that does not know this store
            row |= {"pid": None, "host": None, "heartbeat": 0.0, "command": None}
        if table is runs:  # only this program's own files make a run a recorded one
            row |= {"recorded": None}
        yield {column.name: _value(column, row) for column in table.columns}


def _value(column: Column, row: dict[str, Any]) -> Any:
    """The value of a row in a column; of a row that is older than the column, its default."""
    if column.name in row:
        value = row[column.name]
        return plain(value) if isinstance(value, (str, dict, list)) else value
    return getattr(column.default, "arg", None if column.nullable else "")


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
