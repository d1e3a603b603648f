"""Locks by key: who works on one thing keeps nobody from another."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from weakref import WeakValueDictionary


class Locks:
    """A lock for each key, made when it is first asked for and gone when nobody uses it."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._locks: WeakValueDictionary[Hashable, Lock] = WeakValueDictionary()

    def of(self, key: Hashable) -> Lock:
        """The lock of a key, for a `with`."""
        with self._guard:
            return self._locks.setdefault(key, Lock())
