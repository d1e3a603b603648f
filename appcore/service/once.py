"""Carrying out once what several threads ask for at once, without keeping others waiting. Knows not what it is."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any


class Once:
    """The answers of functions by key: who asks while one is being made waits for it, who asks later gets the same."""

    def __init__(self, most: int, seconds: float = math.inf):
        self._most, self._seconds = most, seconds
        self._lock = Lock()
        self._made: OrderedDict[Hashable, tuple[Future[Any], float]] = OrderedDict()  # and until when it counts

    def __call__(self, key: Hashable, make: Callable[[], Any], keep: Callable[[Any], bool] = lambda answer: True) -> Any:
        """The answer for a key; `make` is called unless there is one. An error, or an answer that `keep` does not want, is forgotten."""
        with self._lock:
            known, until = self._made.get(key, (None, math.inf))
            if known is not None and time.monotonic() <= until:
                self._made.move_to_end(key)
                mine = None
            else:
                known = mine = Future()
                self._made[key] = mine, math.inf
        if mine is None:
            return known.result()
        try:
            answer = make()
        except BaseException as error:
            self._put(key, None)
            mine.set_exception(error)
            raise
        self._put(key, mine if keep(answer) else None)
        mine.set_result(answer)
        return answer

    def _put(self, key: Hashable, made: Future[Any] | None) -> None:
        with self._lock:
            if made is None:
                self._made.pop(key, None)
            else:
                self._made[key] = made, time.monotonic() + self._seconds
            while len(self._made) > self._most:
                self._made.popitem(last=False)
