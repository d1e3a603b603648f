"""Ctrl-C in the middle of a transaction."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appcore.config import RunConfig
from appcore.storage.interrupts import held_back
from appcore.storage.store import Store


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Ctrl-C as a program has it that was started from a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_it_takes_effect_at_the_end_of_the_block() -> None:
    seen = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        seen.append("end")
    assert seen == ["end"]


def test_a_second_one_takes_effect_at_once() -> None:
    seen = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        seen.append("first")
        signal.raise_signal(signal.SIGINT)
        seen.append("second")
    assert seen == ["first"]


def test_an_error_within_does_not_lose_it() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, held_back():
        signal.raise_signal(signal.SIGINT)
        raise ValueError
    assert isinstance(caught.value.__context__, ValueError)


def test_other_threads_and_whoever_ignores_it_need_nothing() -> None:
    def within() -> None:
        with held_back():
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    thread = threading.Thread(target=within)
    thread.start()
    thread.join()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.thorough
def test_no_lock_stays_behind_wherever_a_read_is_struck(tmp_path: Path) -> None:
    """Without `held_back`, about one in six of these leaves the store locked."""
    store = Store(tmp_path / "appcore.db", busy_seconds=0.5)
    run_id = store.create_run(RunConfig(), plan_length=1)
    for nth in range(40):
        timer = threading.Timer(0.002 + 0.0005 * nth, signal.raise_signal, [signal.SIGINT])
        try:
            timer.start()
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                store.get(run_id)
            pytest.fail("Ctrl-C was lost")
        except KeyboardInterrupt:
            store.set_command(run_id, "stop")  # while the traceback is alive, as in the command line
        timer.join()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_that_the_program_handles_are_held_back_too_and_others_left_to_the_system(name: str) -> None:
    number, seen = getattr(signal, name), []

    def ended(number: int, frame: object) -> None:
        seen.append("ended")
        raise KeyboardInterrupt

    before = signal.signal(number, ended)
    try:
        with pytest.raises(KeyboardInterrupt), held_back():
            signal.raise_signal(number)
            seen.append("end")
        assert seen == ["end", "ended"] and signal.getsignal(number) is ended
        signal.signal(number, signal.SIG_DFL)
        with held_back():
            assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_two_signals_at_once_raise_at_once_and_leave_the_handlers_as_they_were() -> None:
    def ended(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ended)
    try:
        with pytest.raises(KeyboardInterrupt), held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("the second one was held back")
        assert signal.getsignal(signal.SIGTERM) is ended and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
