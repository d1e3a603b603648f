"""The version of a store: created, migrated step by step, or refused because it is newer than this program. Forward only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import IO

from sqlalchemy import Column, Connection, Table, inspect, select, text, update

from .. import files, paths
from . import schema

_ONE_AT_A_TIME = 7_402_519  # any number: the name of PostgreSQL's lock for this


class NewerError(Exception):
    """The store was written by a newer version of this program; `version` is its schema's."""

    def __init__(self, version: int):
        super().__init__(version)
        self.version = version


def version(connection: Connection) -> int | None:
    """The schema version of a store; None where there is none."""
    if not inspect(connection).has_table("meta"):
        return None
    found = connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "schema"))
    return None if found is None else int(found)


def is_current(connection: Connection) -> bool:
    """Whether there is nothing to migrate; NewerError when this program is too old for the store."""
    found = version(connection)
    if found is not None and found > schema.VERSION:
        raise NewerError(found)
    return found == schema.VERSION and _lacks(connection) == ([], []) and not _lacks_index(connection)


def bring_up(connection: Connection, file: Path | None) -> None:
    """Within one writing transaction: create the tables, or run the missing migrations, after a copy of an SQLite `file`."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ONE_AT_A_TIME})
    found = version(connection)  # again: another process may have been quicker
    if found is None:
        schema.metadata.create_all(connection)
        connection.execute(schema.meta.insert().values(key="schema", value=str(schema.VERSION)))
        return
    if found < schema.VERSION:
        if file:
            copy(file, paths.before_upgrade(file, found))
        _migrate(connection, found)
    tables, columns = _lacks(connection)
    schema.metadata.create_all(connection, tables=tables)
    for column in columns:
        kind = column.type.compile(connection.dialect)
        connection.exec_driver_sql(f'ALTER TABLE {column.table.name} ADD COLUMN "{column.name}" {kind}')
    if _lacks_index(connection):
        schema.NEWS.create(connection)


def _migrate(connection: Connection, found: int) -> None:
    from alembic.operations import Operations  # takes a fifth of a second, only needed when a store is migrated
    from alembic.runtime.migration import MigrationContext

    op = Operations(MigrationContext.configure(connection))
    for number in range(found + 1, schema.VERSION + 1):
        import_module(f".migrations.v{number}", __package__).upgrade(op)
        connection.execute(update(schema.meta).where(schema.meta.c.key == "schema").values(value=str(number)))


def _lacks(connection: Connection) -> tuple[list[Table], list[Column]]:
    """Tables and nullable columns that are newer than the store: nothing is to be converted, so no migration is needed."""
    found = inspect(connection)
    names = set(found.get_table_names())
    there = {name: {column["name"] for column in found.get_columns(name)} for name in names & set(schema.metadata.tables)}
    tables = [table for table in schema.metadata.sorted_tables if table.name not in there]
    columns = [column for name in there for column in schema.metadata.tables[name].columns if column.name not in there[name]]
    return tables, [column for column in columns if column.nullable]


def _lacks_index(connection: Connection) -> bool:
    """Whether a file of an earlier version has no index for news yet; earlier versions keep it up to date, and do without."""
    if connection.dialect.name != "sqlite":
        return False
    return schema.NEWS.name not in {index["name"] for index in inspect(connection).get_indexes("runs")}


def copy(file: Path, to: Path) -> None:
    """Copy the file of a store in a consistent state, whoever reads or writes meanwhile."""

    def fill(target_file: IO[bytes]) -> None:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target_file.name)) as target:
            source.backup(target)

    files.commit(to, fill, "free disk space, then open the store again")
