"""What runs would cost: answers are remembered, and several users ask at once without waiting for each other's data."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any

from ..errors import InputError
from ..runner.engine_port import Work
from ..runner.hardware import device_of
from ..storage import heartbeat
from ..storage.store import Store
from .once import Once

_ESTIMATES = 512
_EARLIER = 50  # how many of the newest runs an estimate searches for one with the same steps


class Estimates:
    """Estimates of this machine. `call(device, function)` calls a function in the thread that trains, one at a time."""

    def __init__(self, everybody: Store, work: Work, call: Callable[[str, Callable[[], Any]], Any]):
        self._everybody, self._work, self._call = everybody, work, call
        self._made = Once(_ESTIMATES)
        self._asked: dict[Hashable, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def of(self, config: dict[str, Any]) -> dict[str, Any]:
        """What a run would cost. An answer is remembered, unless the machine was too busy to measure."""
        built = self._work.config(config)
        newest = self._everybody.runs(_EARLIER) if self._everybody.exists() else []
        earlier = [row for row in newest if row["status"] == "done" and row["host"] == heartbeat.me()["host"]]
        key = (json.dumps(built.model_dump(mode="json"), sort_keys=True), earlier[0]["run_id"] if earlier else "")
        return copy.deepcopy(self._made(key, partial(self._measure, built, earlier), lambda found: found["seconds"] is not None))

    def soon(self, key: Hashable, estimate: Callable[[], dict[str, Any]], patience: float) -> dict[str, Any] | None:
        """The result of `estimate` within `patience` seconds, or None while it goes on: ask again with the same key."""
        with self._lock:
            self._asked = {other: going for other, going in self._asked.items() if other == key or not going.done()}
            going = self._asked.get(key)
            if going is None and self._is_closed:
                return None
            if going is None:
                going = self._asked[key] = Future()
                threading.Thread(target=_carry_out, args=(going, estimate), name="appcore-estimate", daemon=True).start()
        try:
            found = going.result(patience)
        except TimeoutError:
            return None
        except BaseException:
            self._forget(key)
            raise
        self._forget(key)
        return found

    def close(self, seconds: float) -> None:
        """Begin no more, and wait for those that go on, at most so long: a process that ends while a thread is in torch's code aborts."""
        with self._lock:
            self._is_closed = True
            going = list(self._asked.values())
        wait(going, seconds)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            self._asked.pop(key, None)

    def _measure(self, built: Any, earlier: list[dict[str, Any]]) -> dict[str, Any]:
        known = []
        for row in earlier:
            with suppress(InputError):  # its plug-in is gone, or its settings are those of another version
                known.append((self._work.config(row["config"]), sum((row["totals"] or {}).get("phase_seconds", {}).values())))
        return {**self._work.estimate(built, known, partial(self._call, device_of(built.device))), "slots": self._work.slots(built)}


def _carry_out(going: Future[dict[str, Any]], estimate: Callable[[], dict[str, Any]]) -> None:
    try:
        going.set_result(estimate())
    except BaseException as error:  # whoever asked gets it
        going.set_exception(error)
