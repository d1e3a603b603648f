"""Questions of pages about a network that need torch: answered in a background thread, one after the other, and kept.

A question is about a configuration (the network at its initial values) or a run (a checkpoint, mostly its newest). What can be asked:
scores by a criterion, as a sketch (What if); the accuracy of a cut by it, and of cuts of single layers; a look at what the network does.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .. import paths
from ..analysis.pairing import require_same_data
from ..config import RunConfig, build
from ..errors import InputError
from ..runner.failures import explain
from ..storage import checkpoint
from ..storage.store import Store
from . import recorded_scores

_SKETCHES = 24  # a sketch of ResNet-50 has about 7 MB
SCORES, CUT, SENSITIVITY, LOOK = "scores", "cut", "sensitivity", "look"
_FORGET_SECONDS = 15.0  # a waiting question that was not repeated for this long is dropped
_IDLE_SECONDS = 30.0  # then the thread ends and the network is freed
_IGNORED = (
    *("pruner", "scope", "densities", "granularity", "semantics", "options", "tau", "method", "epochs", "device"),
    *("optimizer", "lr", "lr_drops", "lr_gamma", "lr_schedule", "lr_warmup", "momentum", "beta2", "label_smoothing"),
)


class _AbandonedError(Exception):
    """Nobody waits for the answer any longer."""


class WhatIfQueue:
    """Questions about networks: answers known ones at once, and computes the others in turn."""

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Condition()
        self._done: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._waiting: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._current: dict[str, Any] | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def ask(
        self,
        config: dict[str, Any] | None,
        run_id: str | None,
        criterion: str,
        allow: Callable[[], None] = lambda: None,
        *,
        what: str = SCORES,
        cursor: int | None = None,
        **about: Any,
    ) -> dict[str, Any]:
        """{"state": ready, ...}, {"state": failed, "error": ...}, or waiting ("ahead") or scoring ("seconds", and "share", what is done).

        A ready answer has the sketch of the scores under "sketch", that of any other question under "answer". Before a new question is put
        to the others `allow` is called, and may refuse it with InputError.
        """
        question = self._question(config, run_id, criterion, what, cursor, about)
        key = question["key"]
        if not self._is_known(key):
            if (
                what == SCORES
                and not about
                and run_id is None
                and (sketch := recorded_scores.find(_built(config, criterion), criterion, _IGNORED))
            ):
                return {"state": "ready", "sketch": sketch, "seconds": 0.0, "key": key}
            allow()
        with self._lock:
            if key in self._done:
                self._done.move_to_end(key)
                return {**self._done[key], "key": key}
            known = self._current if self._current and self._current["key"] == key else self._waiting.get(key)
            if known is None:
                known = self._waiting[key] = question
                self._start()
            known["asked"] = time.monotonic()
            if known is self._current:
                return {"state": "scoring", "seconds": time.monotonic() - known["began"], "share": known.get("share", 0.0), "key": key}
            return {"state": "waiting", "ahead": list(self._waiting).index(key), "key": key}

    def _is_known(self, key: str) -> bool:
        with self._lock:
            return key in self._done or key in self._waiting or (self._current is not None and self._current["key"] == key)

    def forget(self, key: str) -> None:
        """Forget the answer to a question that failed, so that it can be asked again."""
        with self._lock:
            self._done.pop(key, None)

    def close(self) -> None:
        """Take no more questions; does not wait for the current one."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()
            self._lock.notify_all()

    def _question(
        self, config: dict[str, Any] | None, run_id: str | None, criterion: str, what: str, cursor: int | None, about: dict[str, Any]
    ) -> dict[str, Any]:
        asked: dict[str, Any] = {"criterion": criterion, "what": what, "about": about}
        named = f"{what} {criterion} {json.dumps(about, sort_keys=True)}"
        if run_id is None:
            built = _built(config, criterion)
            values = {name: value for name, value in built.model_dump(mode="json").items() if name not in _IGNORED}
            source = json.dumps(values, sort_keys=True)
            return asked | {"key": f"{named} {source}", "source": source, "config": config or {}, "run_id": None, "cursor": None}
        row = self._store.get(run_id)
        if cursor is None:
            here = checkpoint.cursors(paths.run_folder(self._store.folder, row["run_id"]))
            if not here:
                why = "came without weights" if row["status"] == "done" else "has no checkpoint here yet"
                raise InputError(f"run {row['run_id']} {why}; ask for its network at the start", "run_id")
            cursor = here[0]
        source = f"{row['run_id']} {cursor}"
        asked |= {"config": row["config"], "run_id": row["run_id"], "hashes": row["hashes"], "cursor": cursor}
        return asked | {"key": f"{named} {source}", "source": source}

    def _start(self) -> None:
        if self._thread is None and not self._is_closed:
            self._thread = threading.Thread(target=self._work, name="appcore-scoring", daemon=True)
            self._thread.start()
        self._lock.notify_all()

    def _work(self) -> None:
        """Answer one question after the other; those about the same network in sequence, so that it is built and scored once."""
        source, state = "", None
        scores: dict[str, Any] = {}
        while (question := self._next(source)) is not None:
            found = None
            try:
                if question["source"] != source:
                    source, state, scores = "", None, {}  # free the old network first
                    state = self._load(question)
                    source = question["source"]
                start = time.perf_counter()
                found = self._answer(state, question, scores) | {"state": "ready", "seconds": time.perf_counter() - start}
            except _AbandonedError:
                pass
            except Exception as error:
                found = {"state": "failed", "error": explain(error)}
            with self._lock:
                self._current = None
                if found is not None:
                    self._done[question["key"]] = found
                while len(self._done) > _SKETCHES:
                    self._done.popitem(last=False)

    def _answer(self, state: Any, question: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
        """The answer to one question. `scores` keeps those of the last criterion."""

        def report(share: float) -> None:
            question["share"] = share
            if self._is_closed or time.monotonic() - question["asked"] > _FORGET_SECONDS:
                raise _AbandonedError

        what, criterion, about = question["what"], question["criterion"], question["about"]
        if what == LOOK:
            return {"answer": _engine("shown.inspection").look(state, report)}
        if criterion not in scores:
            scores.clear()
            scores[criterion] = _engine("what_if_sketch").scores(state, criterion)
        if what == CUT:
            return {"answer": _engine("shown.cut_accuracy").whole(state, scores[criterion], **about, report=report)}
        if what == SENSITIVITY:
            return {"answer": _engine("shown.cut_accuracy").by_layer(state, scores[criterion], report, **about)}
        return {"sketch": _engine("what_if_sketch").sketch(state, scores[criterion], **about)}

    def _next(self, source: str) -> dict[str, Any] | None:
        with self._lock:
            deadline = time.monotonic() + _IDLE_SECONDS
            while True:
                now = time.monotonic()
                for key in [key for key, question in self._waiting.items() if now - question["asked"] > _FORGET_SECONDS]:
                    del self._waiting[key]
                if self._waiting and not self._is_closed:
                    key = next((key for key, question in self._waiting.items() if question["source"] == source), next(iter(self._waiting)))
                    self._current = self._waiting.pop(key)
                    self._current["began"] = now
                    return self._current
                if self._is_closed or now > deadline:
                    self._thread = None
                    return None
                self._lock.wait(1.0)

    def _load(self, question: dict[str, Any]) -> Any:
        sketching = _engine("what_if_sketch")
        config = build(question["config"])
        if question["run_id"] is None:
            return sketching.present(config)
        saved = checkpoint.at(paths.run_folder(self._store.folder, question["run_id"]), question["cursor"])
        saved = saved or checkpoint.newest(paths.run_folder(self._store.folder, question["run_id"]))
        if saved is None:
            raise InputError("every checkpoint of this run is damaged; resume the run to write one again", "run_id")
        body, data = saved
        tensors = import_module("safetensors.torch").load(data)
        state = sketching.present(config, tensors, {**body["facts"], "cursor": body["cursor"]})
        require_same_data(config.dataset, question["hashes"], {"data": state.stream.data.digest})
        return state


def _built(config: dict[str, Any] | None, criterion: str) -> RunConfig:
    return build({**(config or {}), **({"pruner": criterion} if criterion else {})})


def _engine(name: str) -> Any:
    return import_module(f"..engine.{name}", __package__)
