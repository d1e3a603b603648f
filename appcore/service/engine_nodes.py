"""What engines say of their machines, asked outside of pages: an engine that does not answer holds up nobody."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from .. import plugins

_FRESH_SECONDS = 4.0
_PATIENCE_SECONDS = 10.0


def ask() -> dict[str, list[dict[str, Any]]]:
    """The nodes of each engine that this program is connected to already, by launcher; see `nodes` in runner/launchers/base."""
    found = {}
    for name, choice in plugins.choices("launchers").items():
        nodes = getattr(sys.modules.get(choice.module), "nodes", None)  # a launcher that was not used here has no connection
        if nodes and (known := nodes()) is not None:
            found[name] = known
    return found


class EngineNodes:
    """The newest answer, and a thread that asks again; one question at a time."""

    def __init__(self, ask: Callable[[], dict[str, list[dict[str, Any]]]] = ask, *, fresh: float = _FRESH_SECONDS):
        self._ask, self._fresh = ask, fresh
        self._lock = threading.Lock()
        self._answer: dict[str, list[dict[str, Any]]] = {}
        self._asked = -float("inf")
        self._is_asking = False

    def now(self) -> dict[str, Any]:
        """{"nodes": as `ask` gave them last, "silent": seconds for which a question has been unanswered, 0 while that is not long}."""
        with self._lock:
            waited = time.monotonic() - self._asked
            if not self._is_asking and waited >= self._fresh:
                self._is_asking, self._asked, waited = True, time.monotonic(), 0.0
                threading.Thread(target=self._question, name="appcore-engine-nodes", daemon=True).start()
            is_silent = self._is_asking and waited > _PATIENCE_SECONDS
            return {"nodes": self._answer, "silent": waited if is_silent else 0.0}

    def _question(self) -> None:
        answer: dict[str, list[dict[str, Any]]] = {}
        try:
            answer = self._ask()
        except Exception as error:  # it is asked again; its runs say by themselves how they are
            print(f"engine: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            with self._lock:
                self._answer, self._is_asking = answer, False
