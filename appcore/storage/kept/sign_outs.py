"""Sign-ins that their users ended before the cookie does, in the table `meta`. Knows a sign-in by a digest, and nobody's name."""

from __future__ import annotations

import time

from sqlalchemy import delete, insert, select

from ..database import Database
from ..schema import meta

KEPT_SECONDS = 40 * 86_400.0  # longer than Streamlit takes the cookie of a sign-in, which is 31 days
_PREFIX, _DIGITS = "signed-out ", 28  # a key has at most 40 characters


class SignOuts:
    """Which sign-ins have ended. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database):
        self._database = database

    def add(self, digest: str) -> None:
        """Remember that a sign-in has ended, for as long as its cookie could be shown again."""
        key, now = f"{_PREFIX}{digest[:_DIGITS]}", time.time()
        with self._database.write() as connection:
            for known, since in connection.execute(select(meta.c.key, meta.c.value).where(meta.c.key.startswith(_PREFIX))).all():
                if known == key or float(since) < now - KEPT_SECONDS:
                    connection.execute(delete(meta).where(meta.c.key == known))
            connection.execute(insert(meta).values(key=key, value=str(now)))

    def has(self, digest: str) -> bool:
        """Whether a sign-in has ended."""
        with self._database.read() as connection:
            return connection.scalar(select(meta.c.key).where(meta.c.key == f"{_PREFIX}{digest[:_DIGITS]}")) is not None
