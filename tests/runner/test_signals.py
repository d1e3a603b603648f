"""SIGTERM and SIGHUP are noted once, and what others had arranged is put back."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from appcore.runner import signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")


@pytest.mark.parametrize("number", signals.SIGNALS)
def test_the_first_is_noted_and_the_next_has_its_usual_effect(number: signal.Signals) -> None:
    usual: list[int] = []
    before = signal.signal(number, lambda number, frame: usual.append(number))
    try:
        with signals.noted() as ending:
            assert not ending.is_asked
            os.kill(os.getpid(), number)
            assert (ending.is_asked, ending.number, usual) == (True, number, [])
            os.kill(os.getpid(), number)
            assert usual == [number]
        with signals.noted():
            pass
        os.kill(os.getpid(), number)
        assert usual == [number, number]
    finally:
        signal.signal(number, before)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.noted() as ending:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not ending.is_asked
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_touched() -> None:
    found, handlers = [], [signal.getsignal(number) for number in signals.SIGNALS]

    def look() -> None:
        with signals.noted() as ending:
            found.append((ending.is_asked, [signal.getsignal(number) for number in signals.SIGNALS]))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(False, handlers)]
