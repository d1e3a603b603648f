"""How long a class lasts: nobody finds one that is a day old, and its rows are deleted when a class is opened or a run is started."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, delete, select

from ..schema import classroom_answers, classroom_phones, classrooms

KEPT_SECONDS = 86_400.0


def lasts() -> ColumnElement[bool]:
    """Whether a class is found."""
    return classrooms.c.opened > time.time() - KEPT_SECONDS


def forget(connection: Connection) -> None:
    """Delete all classes that are a day old."""
    for code in connection.scalars(select(classrooms.c.code).where(~lasts())).all():
        erase(connection, code)


def erase(connection: Connection, code: str) -> None:
    """Delete all that is kept of a class."""
    for table in (classroom_answers, classroom_phones, classrooms):
        connection.execute(delete(table).where(table.c.code == code))
