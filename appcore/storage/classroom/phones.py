"""What a phone does with a class in the store, whoever its teacher is: finds it, comes in, answers. A phone is a random number here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from ...errors import NoRoomError
from ..database import Database
from ..schema import classroom_answers, classroom_phones, classrooms, plain
from .lasting import lasts

MOST_PHONES = 200  # in one class


class Phones:
    """All classes as their phones meet them. Each call is one short transaction, as in Store."""

    def __init__(self, database: Database):
        self._database = database

    def find(self, code: str) -> dict[str, Any] | None:
        """The class of a code, without its owner."""
        columns = [column for column in classrooms.columns if column.name != "owner"]
        with self._database.read() as connection:
            row = connection.execute(select(*columns).where(classrooms.c.code == code, lasts())).mappings().one_or_none()
        return None if row is None else dict(row)

    def has(self, code: str, phone: str) -> bool:
        """Whether a phone has come into a class."""
        with self._database.read() as connection:
            return _has(connection, code, phone)

    def join(self, code: str, phone: str) -> None:
        """Let a phone into a class. NoRoomError where it is full; nothing where there is none of this code."""
        with self._database.alone() as connection:
            if _locked(connection, code) is None or _has(connection, code, phone):
                return
            if (connection.scalar(select(func.count()).where(classroom_phones.c.code == code)) or 0) >= MOST_PHONES:
                raise NoRoomError(f"class: {MOST_PHONES} phones are in it, which is the most; ask your teacher", "class")
            connection.execute(insert(classroom_phones).values(code=code, phone=phone))

    def answer(self, code: str, question: str, phone: str, answer: Any) -> bool:
        """Keep a phone's answer in place of its previous one; False where it has not come in, or this question is not open to answers."""
        with self._database.write() as connection:
            row = _locked(connection, code)
            is_open = row is not None and (row["question"] or {}).get("id") == question and question not in row["truths"]
            if not is_open or not _has(connection, code, phone):
                return False
            connection.execute(delete(classroom_answers).where(*_of(code, question, phone)))
            connection.execute(insert(classroom_answers).values(code=code, question=question, phone=phone, answer=plain(answer)))
        return True

    def answer_of(self, code: str, question: str, phone: str) -> Any:
        """What a phone answered to a question; None where it did not."""
        with self._database.read() as connection:
            return connection.scalar(select(classroom_answers.c.answer).where(*_of(code, question, phone)))


def _of(code: str, question: str, phone: str) -> tuple[ColumnElement[bool], ...]:
    table = classroom_answers
    return table.c.code == code, table.c.question == question, table.c.phone == phone


def _locked(connection: Connection, code: str) -> Any:
    """The row of a class, which nobody changes until this transaction is over."""
    return connection.execute(select(classrooms).where(classrooms.c.code == code, lasts()).with_for_update()).mappings().one_or_none()


def _has(connection: Connection, code: str, phone: str) -> bool:
    table = classroom_phones
    return connection.scalar(select(table.c.phone).where(table.c.code == code, table.c.phone == phone)) is not None
