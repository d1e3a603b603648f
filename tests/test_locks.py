"""Locks by key: one at a time for one thing, nobody waits for another, and nothing is left."""

from __future__ import annotations

import gc
import threading

from appcore.locks import Locks


def test_one_key_is_one_lock_and_another_key_another() -> None:
    locks = Locks()
    with locks.of("a"):
        assert locks.of("a").locked()
        assert not locks.of("b").locked()
        with locks.of("b"):
            assert locks.of("b").locked()
    assert not locks.of("a").locked()


def test_many_threads_take_turns() -> None:
    locks, inside, most = Locks(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with locks.of("key"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == ([1], [0])
    gc.collect()
    assert not locks._locks
