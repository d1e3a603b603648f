"""What a user has named of a page, views of the library or presets of the form, in the table `meta`: a name, and the part of the address
after the question mark."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, or_, select

from ...errors import InputError
from ..database import Database
from ..schema import meta, plain

MOST, MOST_NAME, MOST_ADDRESS = 50, 60, 2_000
Address = dict[str, list[str]]  # the values of each parameter
Kept = dict[str, dict[str, Address]]  # of everybody: {key of the table: {name: address}}
_DIGITS = 32  # a key has at most 40 characters
_KEY = re.compile(rf"(view|preset)s [0-9a-f]{{{_DIGITS}}}")


class SavedAddresses:
    """The views or presets of one user. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database, what: Literal["view", "preset"], owner: str = ""):
        self._database, self._what = database, what
        self._key = f"{what}s {hashlib.sha256(owner.encode()).hexdigest()[:_DIGITS]}"

    def all(self) -> dict[str, Address]:
        """{name: parameters of the address}, in order of their names."""
        with self._database.read() as connection:
            return _read(connection, self._key)

    def keep(self, name: str, address: Address) -> str:
        """Save an address, in place of one of that name; returns the name as it is kept. InputError for a name that is empty or too long,
        an address that is too long, or one too many."""
        name, what = plain(" ".join(name.split())), self._what
        if not 0 < len(name) <= MOST_NAME:
            raise InputError(f"{what}: a name has 1 to {MOST_NAME} characters, this one {len(name)}; type another", what)
        if len(json.dumps(address)) > MOST_ADDRESS:
            raise InputError(f"{what}: it says more than {MOST_ADDRESS:,} characters can keep; leave something out", what)
        with self._database.alone() as connection:
            kept = {**_read(connection, self._key), name: plain(address)}
            if len(kept) > MOST:
                raise InputError(f"{what}: {MOST} {what}s are kept at most; delete one first", what)
            _write(connection, self._key, kept)
        return name

    def delete(self, name: str) -> None:
        """Forget the one of this name; nothing where there is none."""
        with self._database.alone() as connection:
            kept = _read(connection, self._key)
            if kept.pop(name, None) is not None:
                _write(connection, self._key, kept)


def everybodys(connection: Connection) -> Kept:
    """What all users have kept, for a backup."""
    keys = connection.scalars(select(meta.c.key).where(or_(meta.c.key.startswith("views "), meta.c.key.startswith("presets "))))
    found = {key: _read(connection, key) for key in sorted(keys) if _KEY.fullmatch(key)}
    return {key: kept for key, kept in found.items() if kept}


def is_kept(value: Any) -> bool:
    """Whether a backup's value is what `everybodys` gives."""
    kept = value.items() if isinstance(value, dict) else [("", value)]
    return all(_KEY.fullmatch(key) and isinstance(named, dict) and _usable(named) == named for key, named in kept)


def put_back(connection: Connection, kept: Mapping[str, Mapping[str, Address]]) -> int:
    """Add what a backup brought; a name that is here stays what it is. Returns how many were added."""
    count = 0
    for key, brought in kept.items():
        here = _read(connection, key)
        _write(connection, key, {**plain(brought), **here})
        count += len(brought.keys() - here.keys())
    return count


def _read(connection: Connection, key: str) -> dict[str, Address]:
    text = connection.scalar(select(meta.c.value).where(meta.c.key == key))
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):  # somebody else wrote it: these are no results, so they are not worth an error
        return {}
    return _usable(found) if isinstance(found, dict) else {}


def _write(connection: Connection, key: str, kept: Mapping[str, Address]) -> None:
    connection.execute(delete(meta).where(meta.c.key == key))
    connection.execute(insert(meta).values(key=key, value=json.dumps(kept)))


def _usable(kept: Mapping[str, Any]) -> dict[str, Address]:
    return dict(sorted((name, address) for name, address in kept.items() if 0 < len(name) <= MOST_NAME and _is_address(address)))


def _is_address(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    has_texts = all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in value.values())
    return has_texts and len(json.dumps(value)) <= MOST_ADDRESS
