"""What several threads ask for at once is made once, and nobody waits for what others asked."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from appcore.service import once as module
from appcore.service.once import Once


def test_threads_that_ask_at_once_get_one_answer() -> None:
    once, made, release, found = Once(10), [], threading.Event(), []

    def make() -> list:
        made.append(1)
        assert release.wait(60)
        return ["answer"]

    threads = [threading.Thread(target=lambda: found.append(once("key", make))) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert once("other", lambda: "at once") == "at once"  # not behind the first
    release.set()
    for thread in threads:
        thread.join()
    assert (found, made) == ([["answer"]] * 6, [1])


def test_an_error_reaches_all_who_wait_and_is_forgotten() -> None:
    once, release, found = Once(10), threading.Event(), []

    def fail() -> None:
        assert release.wait(60)
        raise ValueError("trouble")

    def ask() -> None:
        try:
            once("key", fail)
        except ValueError as error:
            found.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join()
    assert found == ["trouble"] * 3
    assert once("key", lambda: "well") == "well"


def test_answers_are_forgotten_by_age_number_and_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    once = Once(2, 5.0)
    assert [once("a", lambda: 1), once("a", lambda: 2)] == [1, 1]
    now[0] = 5.1
    assert once("a", lambda: 3) == 3
    for key in "bc":
        once(key, lambda: 0)
    assert once("a", lambda: 4) == 4  # only two are kept
    assert [once("d", lambda: 5, lambda answer: answer > 5), once("d", lambda: 6, lambda answer: answer > 5)] == [5, 6]
    assert once("d", lambda: 7) == 6
