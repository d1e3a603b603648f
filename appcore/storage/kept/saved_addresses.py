"""What a user has named of a page, views of the library or presets of the form, in the table `meta`: a name, and the part of the address
after the question mark."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from sqlalchemy import Connection, delete, insert, select

from ...errors import InputError
from ..database import Database
from ..schema import meta, plain

MOST, MOST_NAME, MOST_ADDRESS = 50, 60, 2_000
Address = dict[str, list[str]]  # the values of each parameter
_DIGITS = 32  # a key has at most 40 characters


class SavedAddresses:
    """The views or presets of one user. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database, what: Literal["view", "preset"], owner: str = ""):
        self._database, self._what = database, what
        self._key = f"{what}s {hashlib.sha256(owner.encode()).hexdigest()[:_DIGITS]}"

    def all(self) -> dict[str, Address]:
        """{name: parameters of the address}, in order of their names."""
        with self._database.read() as connection:
            return self._read(connection)

    def keep(self, name: str, address: Address) -> str:
        """Save an address, in place of one of that name; returns the name as it is kept. InputError for a name that is empty or too long,
        an address that is too long, or one too many."""
        name, what = plain(" ".join(name.split())), self._what
        if not 0 < len(name) <= MOST_NAME:
            raise InputError(f"{what}: a name has 1 to {MOST_NAME} characters, this one {len(name)}; type another", what)
        if len(json.dumps(address)) > MOST_ADDRESS:
            raise InputError(f"{what}: it says more than {MOST_ADDRESS:,} characters can keep; leave something out", what)
        with self._database.alone() as connection:
            kept = {**self._read(connection), name: plain(address)}
            if len(kept) > MOST:
                raise InputError(f"{what}: {MOST} {what}s are kept at most; delete one first", what)
            self._write(connection, kept)
        return name

    def delete(self, name: str) -> None:
        """Forget the one of this name; nothing where there is none."""
        with self._database.alone() as connection:
            kept = self._read(connection)
            if kept.pop(name, None) is not None:
                self._write(connection, kept)

    def _read(self, connection: Connection) -> dict[str, Address]:
        text = connection.scalar(select(meta.c.value).where(meta.c.key == self._key))
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError):  # somebody else wrote it: these are no results, so they are not worth an error
            return {}
        return dict(sorted((name, address) for name, address in found.items() if _is_address(address))) if isinstance(found, dict) else {}

    def _write(self, connection: Connection, kept: dict[str, Address]) -> None:
        connection.execute(delete(meta).where(meta.c.key == self._key))
        connection.execute(insert(meta).values(key=self._key, value=json.dumps(kept)))


def _is_address(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in value.values()
    )
