"""The door of a class: who comes in, how often, and which answers are taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from appcore.errors import InputError
from appcore.lessons.numbers import Number, Of
from appcore.lessons.questions import Choice, Curve, Item, Option, Order, Point
from appcore.service import class_questions, classroom, rates
from appcore.service.classroom import Door, NoClassError, NotInError, TooOftenError
from appcore.storage.store import Store

CHOICE = {"id": "l.c", "kind": "choice", "text": "?", "options": ["a", "b"], "sure": ["no", "yes"]}
ORDER = {"id": "l.o", "kind": "order", "text": "?", "options": ["a", "b", "c"]}
CURVE = {
    "id": "l.v",
    "kind": "curve",
    "text": "?",
    "options": ["1", "2"],
    "low": 0.0,
    "high": 100.0,
    "x": "",
    "y": "",
    "unit": "%",
    "start": 50.0,
}
HERE = "10.0.0.1"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of rates and of what is told again, which stands still."""
    found = Clock()
    monkeypatch.setattr(rates.time, "monotonic", found)
    return found


@pytest.fixture
def store(clock: Clock) -> Iterator[Store]:
    found = Store()
    yield found
    found.close()


@pytest.fixture
def door(store: Store) -> Door:
    return Door(store)


def test_a_rate_is_a_number_at_once_and_again_evenly(clock: Clock) -> None:
    rate = rates.Rate(3, 30.0)
    assert [rate.take("a") for _ in range(4)] == [True, True, True, False] and rate.take("b") and not rate.is_free("a")
    clock.now += 10
    assert rate.is_free("a") and rate.take("a") and not rate.take("a")
    clock.now += 1000
    assert [rate.take("a") for _ in range(4)] == [True, True, True, False]


def test_a_rate_forgets_the_oldest_of_too_many_keys(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_MOST_KEYS", 2)
    rate = rates.Rate(1, 60.0)
    assert all(rate.take(key) for key in "abc") and len(rate._busy_until) == 2


def test_a_question_from_join_to_truth(store: Store, door: Door, clock: Clock) -> None:
    code = store.classes.open()
    spelled = f" {code[:4].lower()}-{code[4:]} "
    assert door.join(spelled, "phone", HERE) == code
    assert door.state(code, "phone", HERE) == {"revision": 0, "question": None}
    store.classes.ask(code, CHOICE)
    clock.now += 1
    assert door.state(code, "phone", HERE, 0) == {"revision": 1, "question": CHOICE, "mine": None, "truth": None}
    assert door.state(code, "phone", HERE, 1) == {"revision": 1}
    assert door.answer(code, "phone", HERE, "l.c", {"option": 1, "sure": 0}) == {"option": 1, "sure": 0}
    assert door.state(code, "phone", HERE)["mine"] == {"option": 1, "sure": 0}
    store.classes.reveal(code, "l.c", {"answer": 0, "why": "so"})
    with pytest.raises(InputError, match="shown already"):  # also while the door still holds what was before
        door.answer(code, "phone", HERE, "l.c", {"option": 0, "sure": 0})
    clock.now += 1
    assert door.state(code, "phone", HERE)["truth"] == {"answer": 0, "why": "so"}
    store.classes.close(code)
    clock.now += 1
    with pytest.raises(NoClassError):
        door.state(code, "phone", HERE)


def test_the_truth_of_a_question_is_told_to_nobody_before(store: Store, door: Door, clock: Clock) -> None:
    code = store.classes.open()
    door.join(code, "phone", HERE)
    store.classes.ask(code, CHOICE)
    store.classes.reveal(code, "l.c", {"answer": 0})
    store.classes.ask(code, ORDER)
    clock.now += 1
    assert door.state(code, "phone", HERE) == {"revision": 3, "question": ORDER, "mine": None, "truth": None}


def test_whoever_has_not_come_in_is_told_nothing(store: Store, door: Door) -> None:
    code = store.classes.open()
    store.classes.ask(code, CHOICE)
    with pytest.raises(NotInError):
        door.state(code, "phone", HERE)
    with pytest.raises(NotInError):
        door.answer(code, "phone", HERE, "l.c", {"option": 0, "sure": 0})
    assert store.classes.counts(code, "l.c") == (0, 0)


def test_the_store_knows_no_phone_from_one_class_in_another(store: Store, door: Door) -> None:
    codes = [store.classes.open() for _ in range(2)]
    for code in codes:
        door.join(code, "secret", HERE)
    digests = {classroom._digest(code, "secret") for code in codes}
    assert len(digests) == 2 and not store.phones.has(codes[0], "secret")
    assert all(any(store.phones.has(code, digest) for code in codes) for digest in digests)


# ---- guessing, and too much of it


def wrong(door: Door, number: int, address: str = HERE, phone: str = "stranger") -> None:
    for place in range(number):
        with pytest.raises(NoClassError):
            door.join(("BCDFGHJK", "x", "", "BCDFGHJKLMNPQRST" * 9, "\0", "ÀÀÀÀÀÀÀÀ")[place % 6], phone, address)


def test_codes_cannot_be_tried_for_long(store: Store, door: Door, clock: Clock) -> None:
    code = store.classes.open()
    door.join(code, "student", HERE)
    wrong(door, classroom.WRONG_CODES[0])
    for attempt in (code, "BCDFGHJK"):  # so nobody learns which code was right
        with pytest.raises(TooOftenError, match="wrong codes"):
            door.join(attempt, "stranger", HERE)
    assert door.state(code, "student", HERE)["revision"] == 0, "who is in stays in, at the same address too"
    assert door.join(code, "other", "10.0.0.2") == code, "another address is not held up"
    clock.now += classroom.WRONG_CODES[1]
    assert door.join(code, "stranger", HERE) == code


def test_nor_from_many_addresses(store: Store, door: Door) -> None:
    code = store.classes.open()
    for place in range(classroom.ALL_WRONG_CODES[0] // 20):
        wrong(door, 20, address=f"10.1.0.{place}")
    with pytest.raises(TooOftenError):
        door.join(code, "stranger", "10.2.0.1")


def test_the_end_of_a_class_is_no_guess(store: Store, door: Door, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [store.classes.open() for _ in range(2)]
    monkeypatch.setattr(door, "_wrong", rates.Rate(2, 60.0))
    for number in range(5):
        door.join(codes[0], f"phone {number}", HERE)
    store.classes.close(codes[0])
    clock.now += 1
    for number in range(5):
        with pytest.raises(NoClassError):
            door.state(codes[0], f"phone {number}", HERE)
    assert door.join(codes[1], "phone", HERE) == codes[1]


def test_a_phone_cannot_ask_all_the_time(store: Store, door: Door, clock: Clock) -> None:
    code = store.classes.open()
    door.join(code, "phone", HERE)
    door.join(code, "other", HERE)
    for _ in range(classroom.REQUESTS[0]):
        door.state(code, "phone", HERE, 0)
    with pytest.raises(TooOftenError, match="too often"):
        door.state(code, "phone", HERE, 0)
    door.state(code, "other", HERE, 0)
    clock.now += 1
    door.state(code, "phone", HERE, 0)


def test_phones_cannot_be_made_up_by_the_hundred(store: Store, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    code = store.classes.open()
    monkeypatch.setattr(door, "_new", rates.Rate(5, 60.0))
    for number in range(5):
        door.join(code, f"phone {number}", HERE)
    with pytest.raises(TooOftenError, match="Too many phones"):
        door.join(code, "one more", HERE)
    assert door.join(code, "phone 3", HERE) == code


# ---- answers

BAD: list[tuple[dict[str, Any], Any]] = [
    *((CHOICE, bad) for bad in (None, 0, "0", [], {}, {"option": 2}, {"option": -1}, {"option": True}, {"option": 0, "sure": 3})),
    *(
        (CHOICE, bad)
        for bad in ({"option": 0.5, "sure": 0}, {"option": "<b>", "sure": 0}, {"option": 0, "sure": None}, {"option": [0], "sure": 0})
    ),
    *((ORDER, bad) for bad in (None, {}, [0, 1], [0, 1, 1], [0, 1, 2, 3], [0, 1, True], [0, 1, "2"], [[0], 1, 2], "012")),
    *(
        (CURVE, bad)
        for bad in (None, {}, [1], [1, 2, 3], [1, 101], [-1, 5], [1, float("nan")], [1, float("inf")], [1, "2"], [True, 5], [[1], 2])
    ),
]


@pytest.mark.parametrize(("asked", "bad"), BAD)
def test_what_is_no_answer_is_refused_in_one_line(store: Store, door: Door, asked: dict[str, Any], bad: Any) -> None:
    code = store.classes.open()
    store.classes.ask(code, asked)
    door.join(code, "phone", HERE)
    with pytest.raises(InputError) as caught:
        door.answer(code, "phone", HERE, asked["id"], bad)
    assert "\n" not in caught.value.message and store.classes.counts(code, asked["id"]) == (1, 0)


@pytest.mark.parametrize(("asked", "good"), [(CHOICE, {"option": 1, "sure": 1}), (ORDER, [2, 0, 1]), (CURVE, [0.0, 99.5])])
def test_and_what_is_one_is_kept(store: Store, door: Door, asked: dict[str, Any], good: Any) -> None:
    code = store.classes.open()
    store.classes.ask(code, asked)
    door.join(code, "phone", HERE)
    assert door.answer(code, "phone", HERE, asked["id"], good) == good and store.classes.answers(code, asked["id"]) == [good]


def test_an_answer_to_another_question_is_refused(store: Store, door: Door) -> None:
    code = store.classes.open()
    store.classes.ask(code, ORDER)
    door.join(code, "phone", HERE)
    with pytest.raises(InputError, match="Another question"):
        door.answer(code, "phone", HERE, "l.c", {"option": 0, "sure": 0})


def test_more_than_was_asked_for_is_not_kept() -> None:
    assert class_questions.checked(CHOICE, {"option": 0, "sure": 1, "name": "Ada"}) == {"option": 0, "sure": 1}


# ---- questions of lessons


def number(*values: float) -> Number:
    return Number(dict(enumerate(values)), "%")


def test_questions_of_every_kind_as_plain_data_say_nothing_of_the_truth() -> None:
    asked = Choice("c", "**Which** [one](https://x)?", "secret", (Option("low", below=32), Option("high", 32)))
    assert class_questions.plain(asked, "l") == {
        "id": "l.c",
        "kind": "choice",
        "text": "Which one?",
        "options": ["low", "high"],
        "sure": ["a guess", "fairly sure", "certain"],
    }
    order = class_questions.plain(Order("o", "?", (Item("a", "n"), Item("b", "m"))), "l")
    assert order == {"id": "l.o", "kind": "order", "text": "?", "options": ["a", "b"]}
    curve = class_questions.plain(Curve("v", "?", (Point("1", Of("n")), Point("2", Of("m"))), "x", "y"), "l")
    assert curve["options"] == ["1", "2"] and (curve["low"], curve["high"], curve["start"]) == (0, 100, 50)
    json.dumps([order, curve])


def test_the_truth_is_the_lessons_own() -> None:
    asked = Choice("c", "?", "n", (Option("low", below=32), Option("high", 32)))
    assert class_questions.truth(asked, [number(60, 61, 62)], "**So**.") == {"answer": 1, "why": "So."}
    order = Order("o", "?", (Item("a", "n"), Item("b", "m"), Item("c", "k")))
    found = class_questions.truth(order, [number(10, 11, 12), number(90, 91, 92), number(90, 92, 91)], "")
    assert found["answer"][2] == 0 and sorted(found["above"]) == [[1, 0], [2, 0]], "the seeds do not decide between the first two"
    curve = Curve("v", "?", (Point("1", Of("n")), Point("2", Of("m"))), "x", "y")
    found = class_questions.truth(curve, [number(50, 50, 50), number(10, 20, 30)], "")
    assert found["answer"] == [50, 20] and found["low"][0] == found["high"][0] == 50 and found["low"][1] < 10 < 30 < found["high"][1]
    json.dumps(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a **b** c", "a b c"),
        ("[arXiv 1](https://a.b/c_d)", "arXiv 1"),
        ("*so* and `code`, _too_", "so and code, too"),
        ("snake_case * 3 < 4", "snake_case * 3 < 4"),
    ],
)
def test_markdown_as_words(text: str, words: str) -> None:
    assert class_questions.unmarked(text) == words
