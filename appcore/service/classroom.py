"""A class as its phones meet it: who comes in, what they may send and how often, and what they are told. Knows no web server.

A phone is known by a random text that it keeps, of which the store has a digest made with the code: no two classes can be joined by it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Any

from ..errors import InputError
from ..storage.classroom.teacher import DIGITS, LETTERS
from ..storage.store import Store
from .class_questions import checked
from .once import Once
from .rates import Rate

WRONG_CODES = 30, 60.0  # that one address may try in so many seconds: typing errors of a whole class
ALL_WRONG_CODES = 120, 60.0  # that all addresses may: in a day a millionth of all codes
NEW_PHONES = 100, 60.0  # that may come into one class
REQUESTS = 30, 10.0  # of one phone, which asks every two seconds
_FRESH_SECONDS = 0.5  # how old what phones are told may be
_MOST_KEPT = 5000


class NoClassError(InputError):
    """There is no class with this code, or not any more."""


class NotInError(InputError):
    """This phone has not come into the class."""


class TooOftenError(InputError):
    """Too much within too short a time; later it may."""


class Door:
    """What phones may ask of the classes of a store; one for each process."""

    def __init__(self, store: Store):
        self._phones = store.phones
        self._rows = Once(_MOST_KEPT, _FRESH_SECONDS)
        self._in: OrderedDict[tuple[str, str], None] = OrderedDict()  # phones that have come in, so that nobody asks the store again
        self._lock = Lock()
        self._wrong, self._all_wrong = Rate(*WRONG_CODES), Rate(*ALL_WRONG_CODES)
        self._new, self._requests = Rate(*NEW_PHONES), Rate(*REQUESTS)

    def join(self, code: str, phone: str, address: str) -> str:
        """Let a phone into the class of a code, which is returned as it is spelled. `address`: of the phone in the network."""
        code, digest = _spelled(code), _digest(_spelled(code), phone)
        self._row(code, digest, address)
        if not self._is_in(code, digest):
            if not self._new.take(code):
                raise TooOftenError("Too many phones are coming in; try again in a minute.", "class")
            self._phones.join(code, digest)
            self._remember(code, digest)
        return code

    def state(self, code: str, phone: str, address: str, since: int | None = None) -> dict[str, Any]:
        """What a phone shows: the question, its own answer, and the truth once it is shown. Only the revision, where that is `since`."""
        row, digest = self._of(code, phone, address)
        found: dict[str, Any] = {"revision": row["revision"]}
        if since == row["revision"]:
            return found
        question = row["question"]
        if question is None:
            return found | {"question": None}
        mine = self._phones.answer_of(row["code"], question["id"], digest)
        return found | {"question": question, "mine": mine, "truth": row["truths"].get(question["id"])}

    def answer(self, code: str, phone: str, address: str, question: str, answer: Any) -> Any:
        """Keep a phone's answer to the question that is asked now, in place of its previous one; returns it as it was understood."""
        row, digest = self._of(code, phone, address)
        asked = row["question"]
        if asked is None or asked["id"] != question:
            raise InputError("Another question is asked now.", "question")
        kept = checked(asked, answer)
        if not self._phones.answer(row["code"], question, digest, kept):
            raise InputError("The answer is shown already, or another question is asked now.", "question")
        return kept

    def _of(self, code: str, phone: str, address: str) -> tuple[dict[str, Any], str]:
        """The class of a phone that has come in, and its digest."""
        code, digest = _spelled(code), _digest(_spelled(code), phone)
        row = self._row(code, digest, address)
        if not self._is_in(code, digest):
            raise NotInError("Come into the class first.", "class")
        if not self._requests.take(digest):
            raise TooOftenError("This phone asks too often; wait a few seconds.", "class")
        return row, digest

    def _row(self, code: str, digest: str, address: str) -> dict[str, Any]:
        """The class of a code. Whoever tries too many wrong ones gets no answer to a right one either, unless their phone is in."""
        is_code, may_guess = len(code) == DIGITS and set(code) <= set(LETTERS), self._wrong.is_free(address) and self._all_wrong.is_free()
        if not may_guess and (code, digest) not in self._in:
            raise TooOftenError("Too many wrong codes were tried; wait a minute.", "class")
        row = self._rows(code, lambda: self._phones.find(code), lambda found: found is not None) if is_code else None
        if row is None:
            if (code, digest) not in self._in:
                self._wrong.take(address)
                self._all_wrong.take()
            raise NoClassError("There is no class with this code, or it has ended.", "class")
        return row

    def _is_in(self, code: str, digest: str) -> bool:
        if (code, digest) not in self._in:
            if not self._phones.has(code, digest):
                return False
            self._remember(code, digest)
        return True

    def _remember(self, code: str, digest: str) -> None:
        with self._lock:
            self._in[code, digest] = None
            while len(self._in) > _MOST_KEPT:
                self._in.popitem(last=False)


def _spelled(code: str) -> str:
    return "".join(letter for letter in code.upper() if letter not in " -")[: 2 * DIGITS]


def _digest(code: str, phone: str) -> str:
    return hashlib.sha256(f"{code} {phone}".encode()).hexdigest()[:32]
