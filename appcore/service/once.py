"""Carrying out once what several threads ask for at once, without keeping others waiting. Knows not what it is."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from ..locks import Locks


class Once:
    """The answers of functions by key: who asks while one is being made waits for it, who asks later gets the same."""

    def __init__(self, most: int, seconds: float = math.inf):
        self._most, self._seconds = most, seconds
        self._making, self._lock = Locks(), Lock()
        self._made: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()  # and until when it counts

    def __call__(self, key: Hashable, make: Callable[[], Any], keep: Callable[[Any], bool] = lambda answer: True) -> Any:
        """The answer for a key; `make` is called unless there is one. An error, or an answer that `keep` does not want, is forgotten."""
        with self._making.of(key):
            with self._lock:
                answer, until = self._made.get(key, (None, -math.inf))
                if time.monotonic() <= until:
                    self._made.move_to_end(key)
                    return answer
            answer = make()
            with self._lock:
                if keep(answer):
                    self._made[key] = answer, time.monotonic() + self._seconds
                while len(self._made) > self._most:
                    self._made.popitem(last=False)
            return answer
