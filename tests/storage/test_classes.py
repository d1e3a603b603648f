"""Classes in the store, in SQLite and PostgreSQL: answers that can be changed until the truth is shown, and an end after a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faults
import pytest
from sqlalchemy import func, select

from appcore.errors import InputError, NoRoomError
from appcore.storage import schema
from appcore.storage.classroom import lasting, phones, teacher
from appcore.storage.store import Store

ASKED = {"id": "half.lose", "kind": "choice", "text": "<b>What?</b>", "options": ["a", "b"], "sure": ["no", "yes"]}
NEXT = {**ASKED, "id": "half.next"}
YES, NO = {"option": 0, "sure": 1}, {"option": 1, "sure": 0}


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    found = Store(any_address)
    yield found
    found.close()


def rows(store: Store) -> list[int]:
    with store._database.read() as connection:
        return [connection.scalar(select(func.count()).select_from(table)) or 0 for table in schema.PASSING]


def joined(store: Store, *names: str) -> str:
    code = store.classes.open()
    for name in names:
        store.phones.join(code, name)
    return code


def test_from_open_to_closed(store: Store) -> None:
    code = joined(store, "one", "two")
    assert len(code) == teacher.DIGITS and set(code) <= set(teacher.LETTERS) and store.classes.newest() == code
    assert not store.phones.answer(code, "half.lose", "one", YES), "nothing is asked yet"
    store.classes.ask(code, ASKED)
    assert store.phones.answer(code, "half.lose", "one", YES) and store.phones.answer(code, "half.lose", "two", YES)
    assert store.phones.answer(code, "half.lose", "one", NO), "it can be changed"
    assert not store.phones.answer(code, "half.lose", "three", YES), "who has not come in cannot answer"
    assert not store.phones.answer(code, "half.next", "one", YES), "nor to a question that is not asked"
    assert store.classes.counts(code, "half.lose") == (2, 2) and store.phones.answer_of(code, "half.lose", "one") == NO
    store.classes.reveal(code, "half.lose", {"answer": 0})
    assert not store.phones.answer(code, "half.lose", "one", YES), "the truth is shown"
    assert sorted(answer["option"] for answer in store.classes.answers(code, "half.lose")) == [0, 1]
    store.classes.ask(code, NEXT)
    assert store.phones.answer(code, "half.next", "one", YES)
    store.classes.ask(code, ASKED)
    assert not store.phones.answer(code, "half.lose", "one", YES), "going back does not open a question again"
    assert store.phones.find(code)["truths"] == {"half.lose": {"answer": 0}}
    store.classes.close(code)
    assert store.phones.find(code) is None and rows(store) == [0, 0, 0] and store.classes.newest() is None


def test_what_phones_see_changes_its_revision(store: Store) -> None:
    code = store.classes.open()
    seen = [store.phones.find(code)["revision"]]
    for change in (lambda: store.classes.ask(code, ASKED), lambda: store.classes.ask(code, ASKED), lambda: store.classes.ask(code, None)):
        change()
        seen.append(store.phones.find(code)["revision"])
    assert seen == [0, 1, 1, 2] and "owner" not in store.phones.find(code)


def test_a_class_is_its_teachers(store: Store) -> None:
    ada, ben, admin = store.of("ada"), store.of("ben"), store.of("root", sees_all=True)
    code = ada.classes.open()
    for act in (
        lambda: ben.classes.get(code),
        lambda: ben.classes.ask(code, ASKED),
        lambda: ben.classes.reveal(code, "half.lose", {}),
        lambda: ben.classes.answers(code, "half.lose"),
        lambda: ben.classes.counts(code),
        lambda: ben.classes.close(code),
    ):
        with pytest.raises(InputError, match="there is none with this code"):
            act()
    assert ben.classes.newest() is admin.classes.newest() is None and ada.classes.newest() == code
    assert admin.classes.get(code)["code"] == code
    ben.phones.join(code, "one")
    assert ada.classes.counts(code) == (1, 0)


def test_a_day_later_it_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    code = joined(store, "one")
    store.classes.ask(code, ASKED)
    store.phones.answer(code, "half.lose", "one", YES)
    now = lasting.time.time()
    monkeypatch.setattr(lasting.time, "time", lambda: now + lasting.KEPT_SECONDS - 60)
    store.classes.forget_old()
    assert store.phones.find(code) and store.classes.newest() == code
    monkeypatch.setattr(lasting.time, "time", lambda: now + lasting.KEPT_SECONDS + 1)
    assert store.phones.find(code) is None and store.classes.newest() is None
    assert not store.phones.answer(code, "half.lose", "one", NO)
    with pytest.raises(InputError, match="a day is over"):
        store.classes.answers(code, "half.lose")
    store.classes.forget_old()
    assert rows(store) == [0, 0, 0]


def test_the_next_class_deletes_what_is_a_day_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old, now = joined(store, "one"), lasting.time.time()
    monkeypatch.setattr(lasting.time, "time", lambda: now + lasting.KEPT_SECONDS + 1)
    assert store.classes.open() != old and rows(store) == [1, 0, 0]


def test_room_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones, "MOST_PHONES", 2)
    monkeypatch.setattr(teacher, "MOST_CLASSES", 2)
    monkeypatch.setattr(teacher, "MOST_QUESTIONS", 1)
    code = joined(store, "one", "two")
    store.phones.join(code, "two")
    with pytest.raises(NoRoomError, match="2 phones are in it"):
        store.phones.join(code, "three")
    store.phones.join("BCDFGHJK", "one")  # there is none: nothing happens
    store.classes.reveal(code, "half.lose", {})
    with pytest.raises(NoRoomError, match="1 questions are"):
        store.classes.reveal(code, "half.next", {})
    store.classes.open()
    with pytest.raises(NoRoomError, match="2 classes are open"):
        store.classes.open()


def vote(address: str, code: str, first: int) -> int:
    """A program whose phones come in, answer, and change their answers."""
    store = Store(address)
    for phone in (f"phone {number}" for number in range(first, first + 9)):
        store.phones.join(code, phone)
        assert all(store.phones.answer(code, "half.lose", phone, {"option": option, "sure": 0}) for option in (0, 1))
    return 0


def test_two_programs_count_every_phone_once(store: Store, any_address: str) -> None:
    code = store.classes.open()
    store.classes.ask(code, ASKED)
    store.close()  # a child gets no connection of its parent
    both = [faults.fork(lambda first=first: vote(any_address, code, first)) for first in (0, 6)]
    assert [faults.code_of(one) for one in both] == [0, 0]
    assert store.classes.counts(code, "half.lose") == (15, 15), "three phones are in both programs"
    assert {answer["option"] for answer in store.classes.answers(code, "half.lose")} == {1}


def test_no_backup_holds_a_class(store: Store, tmp_path: Path) -> None:
    import zipfile

    from appcore.transfer.backup import backup

    joined(store, "one")
    backup(store, tmp_path / "lab.zip")
    assert not [name for name in zipfile.ZipFile(tmp_path / "lab.zip").namelist() if "classroom" in name]
