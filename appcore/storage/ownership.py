"""Whose the files of runs are, so that two stores with one folder never share, replace or delete each other's; see run_folder for the mark.

The name of a store in marks is its kind and a random number, made when it is first needed and kept in the table `meta`. A folder of an
earlier version has no mark: a store that has the run marks it, unless another one beside it has the run too.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, text

from .. import files, paths
from ..errors import InputError
from . import run_folder
from .database import Database
from .rows import has
from .schema import meta, runs

_NAME, _HOME = "store", "home"  # keys of `meta`: the name, and the file or database that it was given to


class RunFiles:
    """The folders of the runs of a store: whose they are, and how they come and go together with their rows."""

    def __init__(self, database: Database):
        self._database = database

    def check(self, run_id: str) -> None:
        """InputError where the files of a run of this store belong to another store."""
        self._give_name()
        with self._database.alone() as connection:
            if not self._is_mine(connection, run_id):
                raise run_folder.another(self._folder(run_id))

    def own(self, run_id: str) -> None:
        """Mark the folder of a run of this store, made where there is none; InputError where it belongs to another store.

        Nobody waits but who would change the same run: hundreds of runs may begin at once, on a slow shared folder.
        """
        self._give_name()
        with self._database.write() as connection:
            connection.execute(select(runs.c.run_id).where(runs.c.run_id == run_id).with_for_update())
            self._own(connection, run_id)
            run_folder.settle(self._folder(run_id))

    def leftovers(self) -> list[Path]:
        """Folders of this store whose rows never came, or went: left by a kill in an import, a restore or a deletion."""
        with self._database.read() as connection:
            name = self._name(connection)
            return [
                path
                for path in files.listed(self._database.folder)
                if name
                and path.is_dir()
                and run_folder.owner(path) == name
                and run_folder.is_unsettled(path)
                and not has(connection, path.name)
            ]

    def has_neighbours(self) -> bool:
        """Whether another store keeps files in this folder too, or may."""
        if any(_ask(other, "SELECT count(*) FROM runs") != [] for other in _beside(self._database.file)):
            return True
        with self._database.read() as connection:
            known = ("", self._name(connection))
        return any(path.is_dir() and run_folder.owner(path) not in known for path in files.listed(self._database.folder))

    def is_of_another(self, folder: Path) -> bool:
        """Whether a folder has the mark of another store."""
        with self._database.read() as connection:
            return run_folder.owner(folder) not in ("", self._name(connection))

    def forget_log(self, run_id: str) -> None:
        """Remove what the workers of a run have printed, unless its files are another store's."""
        if not self.is_of_another(self._folder(run_id)):
            paths.worker_log(self._folder(run_id)).unlink(missing_ok=True)

    # ---- with rows

    @contextmanager
    def arriving(self) -> Iterator[Callable[..., None]]:
        """Around a transaction that adds runs: `place(connection, folder, run_id)` moves the files of one to where they belong.

        When the rows did not come after all, the files go back to where they were.
        """
        placed: dict[str, Path] = {}

        def place(connection: Connection, folder: Path, run_id: str) -> None:
            run_folder.place(folder, self._folder(run_id), self._name(connection))
            placed[run_id] = folder

        self._give_name()
        try:
            yield place
        finally:
            if placed:
                self._follow(placed, lambda run_id, folder: folder.rename(placed[run_id]))

    @contextmanager
    def leaving(self, run_id: str) -> Iterator[Callable[[Connection], None]]:
        """Around a transaction that deletes a run, which calls `leave(connection)` before: then the files of this store go as well."""
        gone: list[Path] = []
        is_leaving = False

        def leave(connection: Connection) -> None:
            nonlocal is_leaving
            if self._folder(run_id).exists() and self._is_mine(connection, run_id):
                self._own(connection, run_id)
                run_folder.unsettle(self._folder(run_id))
                is_leaving = True

        self._give_name()
        try:
            yield leave
        finally:
            if is_leaving:
                self._follow([run_id], lambda _, folder: gone.append(run_folder.take_away(folder)))
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)

    def _follow(self, run_ids: Iterable[str], otherwise: Callable[[str, Path], object]) -> None:
        """Let the files of runs follow their rows: settled where there is one. Where that cannot be known now, they stay as they are."""
        with suppress(InputError), self._database.alone() as connection:
            for run_id in run_ids:
                if has(connection, run_id):
                    run_folder.settle(self._folder(run_id))
                else:
                    with suppress(OSError):
                        otherwise(run_id, self._folder(run_id))

    # ---- internal

    def _folder(self, run_id: str) -> Path:
        return paths.run_folder(self._database.folder, run_id)

    def _own(self, connection: Connection, run_id: str) -> None:
        folder, name = self._folder(run_id), self._name(connection)
        if not self._is_mine(connection, run_id):
            raise run_folder.another(folder)
        if run_folder.owner(folder) not in ("", name):  # of a store that is gone
            run_folder.unmark(folder)
        run_folder.mark(folder, name)

    def _is_mine(self, connection: Connection, run_id: str) -> bool:
        """Whether the files of a run, which this store has a row of, are its own.

        Without a mark they are if no other store beside this one has the run too; with that of a store that is no longer there as well.
        """
        folder, file = self._folder(run_id), self._database.file
        found = run_folder.owner(folder)
        if not found:
            return not run_folder.has_saved(folder) or not any(
                _ask(other, "SELECT 1 FROM runs WHERE run_id = ?", run_id) != [] for other in _beside(file)
            )
        if found == self._name(connection) or file is None or not found.startswith("sqlite-"):
            return found == self._name(connection)
        return not any(_ask(other, "SELECT 1 FROM meta WHERE key = ? AND value = ?", _NAME, found) != [] for other in _beside(file))

    def _give_name(self) -> None:
        """Give the store a name if it has none, in a transaction of its own: a mark must not outlive a name that was never committed."""
        with self._database.read() as connection:
            if self._has_name(connection):
                return
        with self._database.alone() as connection:
            if not self._has_name(connection):  # another process may have been quicker
                found = self._name(connection) or f"{connection.dialect.name}-{secrets.token_hex(8)}"
                known = {_NAME: found, _HOME: self._home(connection)}
                connection.execute(delete(meta).where(meta.c.key.in_((_NAME, _HOME))))
                connection.execute(insert(meta), [{"key": key, "value": value} for key, value in known.items()])

    def _has_name(self, connection: Connection) -> bool:
        name = self._name(connection)
        return bool(name) and self._meta(connection) == {_NAME: name, _HOME: self._home(connection)}

    def _name(self, connection: Connection) -> str:
        """The store's name; empty where it has none, or is a copy beside the original, which is another store."""
        known, home = self._meta(connection), self._home(connection)
        is_copy = known.get(_HOME, home) != home and _is_there(connection, self._database.file, known[_HOME])
        return "" if is_copy else known.get(_NAME, "")

    def _home(self, connection: Connection) -> str:
        file = self._database.file
        return file.name if file else str(connection.scalar(text("SELECT current_database()")))

    def _meta(self, connection: Connection) -> dict[str, str]:
        return {row.key: row.value for row in connection.execute(select(meta).where(meta.c.key.in_((_NAME, _HOME))))}


def _is_there(connection: Connection, file: Path | None, home: str) -> bool:
    """Whether there is another store of that name in the same place."""
    if file is None:
        return connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :home"), {"home": home}) is not None
    other = file.with_name(home)
    return other.exists() and not other.samefile(file) and _ask(other, "SELECT 1 FROM meta") != []


def _beside(file: Path | None) -> Iterator[Path]:
    """The other files in the folder of an SQLite store, but for copies of it that are named after it."""
    if file is None:
        return
    for other in files.listed(file.parent):
        if other.is_file() and other.name != file.name and not other.name.startswith((f"{file.name}.", f"{file.name}-")):
            yield other


def _ask(other: Path, query: str, *values: str) -> list | None:
    """The answer of another SQLite store; none where the file is no store of ours, None where it cannot be asked now."""
    try:
        with closing(sqlite3.connect(f"{other.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        return [] if "no such" in str(error) or "unable to open" in str(error) else None
    except sqlite3.DatabaseError:
        return []
