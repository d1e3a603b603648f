"""Views of the library that a user has named, in the table `meta`: a name, and the part of the address after the question mark."""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import Connection, delete, insert, select

from ...errors import InputError
from ..database import Database
from ..schema import meta, plain

MOST, MOST_NAME, MOST_ADDRESS = 50, 60, 2_000
Address = dict[str, list[str]]  # the values of each parameter
_PREFIX, _DIGITS = "views ", 32  # a key has at most 40 characters


class SavedViews:
    """The views of one user. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database, owner: str = ""):
        self._database = database
        self._key = f"{_PREFIX}{hashlib.sha256(owner.encode()).hexdigest()[:_DIGITS]}"

    def all(self) -> dict[str, Address]:
        """{name: parameters of the address}, in order of their names."""
        with self._database.read() as connection:
            return self._read(connection)

    def keep(self, name: str, address: Address) -> None:
        """Save a view, in place of one of that name. InputError for a name or address that is empty or too long, or one view too many."""
        name = " ".join(name.split())
        if not 0 < len(name) <= MOST_NAME:
            raise InputError(f"view: a name has 1 to {MOST_NAME} characters, this one {len(name)}; type another", "view")
        if len(json.dumps(address)) > MOST_ADDRESS:
            raise InputError("view: its address is too long to keep; choose fewer filters", "view")
        with self._database.alone() as connection:
            views = {**self._read(connection), plain(name): plain(address)}
            if len(views) > MOST:
                raise InputError(f"view: {MOST} views are kept at most; delete one first", "view")
            self._write(connection, views)

    def delete(self, name: str) -> None:
        """Forget a view; nothing where there is none of that name."""
        with self._database.alone() as connection:
            views = self._read(connection)
            if views.pop(name, None) is not None:
                self._write(connection, views)

    def _read(self, connection: Connection) -> dict[str, Address]:
        text = connection.scalar(select(meta.c.value).where(meta.c.key == self._key))
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError):  # somebody else wrote it: views are no results, so they are not worth an error
            return {}
        return dict(sorted((name, address) for name, address in found.items() if _is_address(address))) if isinstance(found, dict) else {}

    def _write(self, connection: Connection, views: dict[str, Address]) -> None:
        connection.execute(delete(meta).where(meta.c.key == self._key))
        connection.execute(insert(meta).values(key=self._key, value=json.dumps(views)))


def _is_address(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in value.values()
    )
