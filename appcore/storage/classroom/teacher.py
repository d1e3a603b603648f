"""What a teacher does with a class in the store: opens it, asks, shows the truth, reads the answers, closes it."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ...errors import InputError, NoRoomError
from ..database import Database
from ..schema import classroom_answers, classroom_phones, classrooms, plain
from .lasting import erase, forget, lasts

MOST_CLASSES, MOST_QUESTIONS = 20, 100  # open at one time; whose truth is shown in one class
LETTERS, DIGITS = "BCDFGHJKLMNPQRSTVWXZ", 8  # no vowels, so no words; 25,600 million codes


class Teacher:
    """The classes of one teacher. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database, owner: str = "", sees_all: bool = True):
        self._database, self._owner = database, owner
        self._mine = () if sees_all else (classrooms.c.owner == owner,)

    def open(self) -> str:
        """Open a class; returns its code. NoRoomError where too many are open."""
        code = "".join(secrets.choice(LETTERS) for _ in range(DIGITS))
        with self._database.alone() as connection:
            forget(connection)
            if (connection.scalar(select(func.count()).select_from(classrooms)) or 0) >= MOST_CLASSES:
                raise NoRoomError(f"class: {MOST_CLASSES} classes are open here, which is the most; close one first", "class")
            connection.execute(insert(classrooms).values(code=code, owner=self._owner, opened=time.time(), truths={}))
        return code

    def newest(self) -> str | None:
        """The code of the class that this teacher opened last, if one is open."""
        query = select(classrooms.c.code).where(classrooms.c.owner == self._owner, lasts()).order_by(classrooms.c.opened.desc())
        with self._database.read() as connection:
            return connection.scalar(query.limit(1))

    def get(self, code: str) -> dict[str, Any]:
        """A class of this teacher. InputError where there is none."""
        with self._database.read() as connection:
            return self._get(connection, code)

    def ask(self, code: str, question: dict[str, Any] | None) -> None:
        """Show phones a question, or None. What was answered to it before, and whether its truth was shown, stays."""
        with self._database.alone() as connection:
            if self._get(connection, code)["question"] != question:
                self._change(connection, code, question=plain(question))

    def reveal(self, code: str, question: str, truth: dict[str, Any]) -> None:
        """Show phones the truth of a question, to which nobody can answer from then on."""
        with self._database.alone() as connection:
            truths = self._get(connection, code)["truths"]
            if len(truths) >= MOST_QUESTIONS:
                raise NoRoomError(f"class: {MOST_QUESTIONS} questions are the most for one class; close it and open another", "class")
            self._change(connection, code, truths={**truths, question: plain(truth)})

    def answers(self, code: str, question: str) -> list[Any]:
        """What phones answered to a question, in an order that says nothing of who it was."""
        table = classroom_answers
        query = select(table.c.answer).where(table.c.code == code, table.c.question == question).order_by(table.c.phone)
        with self._database.read() as connection:
            self._get(connection, code)
            return list(connection.scalars(query))

    def counts(self, code: str, question: str = "") -> tuple[int, int]:
        """How many phones have come into a class, and how many of them have answered to a question."""
        phones, answers = classroom_phones, classroom_answers
        with self._database.read() as connection:
            self._get(connection, code)
            came = connection.scalar(select(func.count()).where(phones.c.code == code))
            answered = connection.scalar(select(func.count()).where(answers.c.code == code, answers.c.question == question))
        return came or 0, answered or 0

    def close(self, code: str) -> None:
        """End a class: nothing of it is left."""
        with self._database.alone() as connection:
            self._get(connection, code)
            erase(connection, code)

    def forget_old(self) -> None:
        """Delete all classes that are a day old."""
        with self._database.read() as connection:
            if not connection.scalar(select(func.count()).select_from(classrooms).where(~lasts())):
                return
        with self._database.alone() as connection:
            forget(connection)

    def _get(self, connection: Connection, code: str) -> dict[str, Any]:
        row = connection.execute(select(classrooms).where(classrooms.c.code == code, *self._mine, lasts())).mappings().one_or_none()
        if row is None:
            raise InputError("class: there is none with this code, or a day is over; open another", "class")
        return dict(row)

    def _change(self, connection: Connection, code: str, **values: Any) -> None:
        connection.execute(update(classrooms).where(classrooms.c.code == code).values(revision=classrooms.c.revision + 1, **values))
