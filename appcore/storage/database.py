"""Opening a database: address, connections, transactions, and plain words for database errors."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic_core import from_json
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from .. import paths
from ..errors import InputError
from . import interrupts, migrate, schema
from .heartbeat import Sightings
from .known_runs import KnownRuns

_CONNECT_SECONDS = 10
_FILES = 7_402_520  # any number: the name of PostgreSQL's lock for moving the files of runs
_SCHEME = "postgresql://"
_FORM = "postgresql://USER:PASSWORD@HOST/DATABASE"
# Addresses of a server that would be taken for a path: words of libpq such as host=..., and URLs without their scheme.
_OF_SERVER = re.compile(
    r"(?i)(^|\s)(host|hostaddr|dbname|user|password|passfile|sslpassword|service)\s*=|^postgres\w*:|^/{0,2}(?:[^/:@]{2,}:|[^/:@]:(?![/\\])).*@"
)
_LOOKED_THROUGH = 100 * 2**20  # bytes; a file up to this size is looked through when it is opened, which takes 5 ms for each MB
_ONE_AT_A_TIME = 7_402_520  # any number: the name of PostgreSQL's lock for `alone`


class StoreError(InputError):
    """The store cannot be used: one line with its name and the remedy."""

    def __init__(self, message: str):
        super().__init__(message, "store")


# Messages of SQLite and PostgreSQL, and what to do about each. The first one found in the message is taken.
_REMEDIES = {
    "deadlock": "was changed by two programs at once and let one go first; try again",
    "lock timeout": "is locked by another program for more than {busy:g} s; close that program, then try again",
    "locked": "is locked by another program for more than {busy:g} s; close that program, then try again",
    "not a database": "is not a store; move the file away or name another with {variable}",
    "malformed": "is damaged; restore a copy of it, or move the file away to begin a new one",
    "disk is full": "could not be written, the disk is full; free some space, then resume",
    "disk I/O error": "could not be read or written (disk I/O error); check disk and free space",
    "readonly": "cannot be written; check the permissions of the file and its folder, or name another with {variable}",
    "onnection refused": "is not reached, nobody answers there; start the server, or check host and port in {variable}",
    "No such file or directory\n\tIs the server running": "is not reached, no server has that socket; start it, or check {variable}",
    "resolve host": "is not reached, nobody knows that host; check the name in {variable} and the network",
    "timeout expired": "is not reached, the server does not answer; check host, port and firewall in {variable}",
    "authentication failed": "does not let this user in; check user and password in {variable}",
    "does not exist": "is not there; create the database and the user, or check their names in {variable}",
    "unable to open": "cannot be opened; check that its folder exists and can be written, or name another with {variable}",
}


class Database:
    """Connections to the store at a path or URL.

    Nothing is opened or created before the first transaction, so that refused input leaves no trace.
    """

    def __init__(self, address: str | Path, busy_seconds: float):
        self._busy_seconds = busy_seconds
        url = _url(address)
        self.is_file = url.get_backend_name() == "sqlite"
        self.name = str(url.database) if self.is_file else _shown(url)
        self._secrets = () if self.is_file else _secrets(url)
        self.url = f"sqlite:///{url.database}" if self.is_file else url.render_as_string(hide_password=False)
        self.file = Path(self.name) if self.is_file else None
        self.folder = self.file.parent if self.file else paths.runs_folder()
        self.engine = _file_engine(url, busy_seconds) if self.is_file else _server_engine(url)
        # SQLite refuses to let a reader become a writer while another one writes, so a writer locks at once.
        self._writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")
        self.sightings = Sightings()
        self.known: KnownRuns | None = KnownRuns()
        self._opening = threading.Lock()
        self._is_open = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with interrupts.held_back(), self._plain_words():
            self._open()
            with self.engine.begin() as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write."""
        with interrupts.held_back(), self._plain_words():
            self._open()
            with self._writer.begin() as connection:
                yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction that may write, and that overlaps no other of this kind, in whatever process: what is checked in it stays true."""
        with self.write() as connection:
            if not self.is_file:  # SQLite has one writer at a time anyway
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(1000 * self._busy_seconds)}")
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ONE_AT_A_TIME})
            yield connection

    def within(self, connection: Connection) -> Database:
        """This database as seen in an open transaction, to which all that is read and written belongs."""
        return _Within(self, connection)

    def _open(self) -> None:
        with self._opening:
            if not self._is_open:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._create_file()
                self._check_schema()
                self._check_whole()
                self._is_open = True

    def _create_file(self) -> None:
        """Create the file of a store as the umask says, which its journals follow: SQLite would let nobody but the owner write."""
        if self.file:
            with suppress(OSError), self.file.open("xb"):  # it is there; or SQLite says what is wrong
                pass

    def _check_schema(self) -> None:
        try:
            with self.engine.begin() as connection:
                if self.is_file and migrate.version(connection) is None and inspect(connection).get_table_names():
                    raise StoreError(f"store {self.name} is a database of another program; name another with {paths.STORE_VARIABLE}")
                if migrate.version(connection) is not None and migrate.is_current(connection):
                    return
            with self._writer.begin() as connection:
                migrate.bring_up(connection, Path(self.name) if self.is_file else None)
        except migrate.NewerError as error:
            raise StoreError(
                f"store {self.name} was written by a newer version (schema {error.version}, here {schema.VERSION}); update it here"
            ) from None

    def _check_whole(self) -> None:
        """Refuse a damaged file: an index that lost rows raises no error, and runs would seem to be missing."""
        if not self.is_file or Path(self.name).stat().st_size > _LOOKED_THROUGH:
            return
        with self.engine.begin() as connection:
            found = damage(connection.exec_driver_sql("PRAGMA integrity_check(3)").scalars())
            if Path(self.name).stat().st_size % int(connection.exec_driver_sql("PRAGMA page_size").scalar() or 1):
                found = found or "its end is cut off"  # SQLite reads zeros there, and finds nothing wrong with a row of zeros
        if found:
            remedy = "`python -m appcore doctor --repair` mends indexes, a backup the rest; or move the file away to begin a new one"
            raise StoreError(f"store {self.name} is damaged ({found}); {remedy}")

    @contextmanager
    def _plain_words(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(self._explain(str(error.orig))) from error
        except (sqlite3.Error, OSError) as error:
            raise StoreError(self._explain(str(error))) from error

    def _explain(self, message: str) -> str:
        for sign, remedy in _REMEDIES.items():
            if sign in message:
                return f"store {self.name} {remedy.format(busy=self._busy_seconds, variable=paths.STORE_VARIABLE)}"
        text = " ".join(message.split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return f"store {self.name} cannot be used: {text}; name another with {paths.STORE_VARIABLE}"


class _Within(Database):
    """A database in an open transaction."""

    def __init__(self, outer: Database, connection: Connection):
        self.__dict__.update(outer.__dict__)
        self._connection, self.known = connection, None  # what is read here may be rolled back

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._connection

    write = alone = read


def damage(answer: Iterable[str]) -> str:
    """What SQLite's integrity check found, in one line; empty when the file is whole."""
    found = list(answer)
    return "" if found == ["ok"] else "; ".join(" ".join(line.split()) for line in found)[:300]


def _url(address: str | Path) -> URL:
    """The address as a URL, its file made absolute: a worker process may start elsewhere."""
    text = str(address)
    if "://" not in text and _OF_SERVER.search(text):
        raise StoreError(f"store: that looks like the address of a server, in a form that is not taken; use {_FORM}")
    if "://" not in text:
        path = Path(text)
    elif text.startswith("sqlite:///"):
        path = Path(text.removeprefix("sqlite:///"))  # not parsed: a path may hold ? and %
    else:
        return _server_url(text)
    if not text or path.is_dir():
        raise StoreError(f"store {text!r} is a folder; name a file in it, e.g. {path / 'appcore.db'}")
    return URL.create("sqlite", database=str(path.expanduser().absolute()))


def _server_url(text: str) -> URL:
    """The URL of a server. A refusal shows nothing of it but its scheme: any other part may hold a password."""
    try:
        url = make_url(text)
        is_right = url.get_backend_name() == "postgresql" and bool(url.database)
    except (ArgumentError, ValueError):
        is_right = False
    if is_right and "@" in f"{url.host}{url.database}":
        raise StoreError(f"store {_SCHEME}... has an @ or / in its user or password; write %40 for @ and %2F for /")
    if is_right:
        return url.set(drivername="postgresql+psycopg")
    scheme = text.partition("://")[0]
    shown = f"{scheme}://..." if re.fullmatch("[a-z0-9+]{1,30}", scheme) else "address"
    raise StoreError(f"store {shown} is not possible; use a path, sqlite:///PATH or {_FORM}")


def _shown(url: URL) -> str:
    """The address without what may be secret: user, password, options, and names that are none."""
    host, database = (part if re.fullmatch(r"[\w.:%-]+", part) else "..." for part in (url.host or "localhost", str(url.database)))
    return f"{_SCHEME}{host}{f':{url.port}' if url.port else ''}/{database}"


def _secrets(url: URL) -> tuple[str, ...]:
    """Whatever in an address may be secret, also as it was typed: the password and all options; the longest first."""
    odd = [part for part in (url.host, url.database) if part and part not in _shown(url)]
    values = [*odd, url.password, *(part for value in url.query.values() for part in ([value] if isinstance(value, str) else value))]
    found = {text for value in values if value for text in (str(value), quote(str(value), safe=""), quote_plus(str(value)))}
    return tuple(sorted(found, key=len, reverse=True))


def _file_engine(url: URL, busy_seconds: float) -> Engine:
    # Readers are many and short (tabs that poll), so connections are not limited.
    engine = create_engine(url, connect_args={"timeout": busy_seconds}, pool_size=5, max_overflow=50, json_deserializer=_from_json)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        connection.text_factory = _text  # SQLite keeps whatever bytes it was given
        connection.isolation_level = None  # transactions are begun below; the driver's own begin would come too late to read safely
        for pragma in ("foreign_keys=ON", "synchronous=FULL", "journal_mode=DELETE"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _from_json(text: Any) -> Any:
    """The value of a JSON column; text that is no JSON as it is, which no rule for such a column takes (row_rules.py)."""
    try:
        return from_json(text)  # a third of the time of `json`, and equal words are kept once
    except (ValueError, TypeError):  # also half a surrogate pair, or very deep, which `json` takes
        pass
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return str(text)


_text = partial(str, encoding="utf-8", errors="backslashreplace")


def _server_engine(url: URL) -> Engine:
    try:
        return create_engine(
            url, pool_pre_ping=True, max_overflow=50, connect_args={"connect_timeout": _CONNECT_SECONDS}, json_deserializer=_from_json
        )
    except ArgumentError:  # options that contradict each other, which its message would show
        raise StoreError(f"store {_shown(url)} is given by options that fit no server; use {_FORM}") from None
    except (ImportError, NoSuchModuleError):
        raise StoreError("a PostgreSQL store needs its driver: pip install 'psycopg[binary]'") from None
