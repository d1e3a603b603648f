"""How many runs may train at once in processes of their own, as users chose it, in the table `meta`: a number for each machine."""

from __future__ import annotations

import hashlib

from sqlalchemy import delete, insert, select

from ..database import Database
from ..schema import meta


class Workers:
    """The chosen numbers. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database):
        self._database = database

    def of(self, host: str) -> int | None:
        """The number for a machine; None where none was chosen."""
        with self._database.read() as connection:
            found = connection.scalar(select(meta.c.value).where(meta.c.key == _key(host)))
        return max(1, int(found)) if found is not None and str(found).isdecimal() else None

    def choose(self, host: str, count: int | None) -> None:
        """Choose the number for a machine; None: as many as there is room for."""
        with self._database.write() as connection:
            connection.execute(delete(meta).where(meta.c.key == _key(host)))
            if count is not None:
                connection.execute(insert(meta).values(key=_key(host), value=str(count)))


def _key(host: str) -> str:
    return f"workers {hashlib.sha256(host.encode()).hexdigest()[:28]}"  # a key has at most 40 characters
