"""How often something may happen, for each of many keys, in memory of this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

_MOST_KEYS = 10_000
_ONE = 1 - 1e-6  # seconds are sums of fractions


class Rate:
    """`most` times at once, and again `most` times within `seconds`, evenly."""

    def __init__(self, most: float, seconds: float):
        self._most, self._each = most, seconds / most
        self._busy_until: OrderedDict[Hashable, float] = OrderedDict()  # when a key will be as if nothing had happened
        self._lock = Lock()

    def is_free(self, key: Hashable = None) -> bool:
        """Whether it may happen once more."""
        with self._lock:
            return self._left(key) >= _ONE

    def take(self, key: Hashable = None) -> bool:
        """Count one more; False, and nothing is counted, where it may not happen now."""
        with self._lock:
            if self._left(key) < _ONE:
                return False
            now = time.monotonic()
            self._busy_until[key] = max(now, self._busy_until.get(key, now)) + self._each
            self._busy_until.move_to_end(key)
            while len(self._busy_until) > _MOST_KEYS:
                self._busy_until.popitem(last=False)
            return True

    def _left(self, key: Hashable) -> float:
        return self._most - max(0.0, self._busy_until.get(key, 0.0) - time.monotonic()) / self._each
