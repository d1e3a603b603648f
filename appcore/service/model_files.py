"""Model files and the reality check, made one after another in a background thread while pages poll. Plain data in and out."""

from __future__ import annotations

import json
import queue
import threading
import traceback
from typing import Any

from .. import files, paths
from ..errors import InputError
from ..statuses import STARTED
from ..storage.store import Store
from ..transfer import model_formats, reality_record

REALITY = "reality"


class Exports:
    """Commands and queries about the model files of runs."""

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Lock()
        self._queue: queue.Queue[tuple[str, str]] = queue.Queue()
        self._jobs: dict[tuple[str, str], dict[str, Any]] = {}
        self._thread: threading.Thread | None = None

    def start(self, run_id: str, what: str) -> None:
        """Make one format, or "reality": the check of all of them. Asked for twice, it is made once. InputError for what cannot be made."""
        if what != REALITY and what not in model_formats.FORMATS:
            raise InputError(f"format: unknown name {what!r}; choose one of {', '.join((*model_formats.FORMATS, REALITY))}", "format")
        run_id = self._store.get(run_id)["run_id"]
        if what != REALITY and (reason := model_formats.can_be_made(what)):
            raise InputError(reason, "format")
        with self._lock:
            if self._jobs.get((run_id, what), {}).get("status") in ("queued", "working"):
                return
            self._jobs[run_id, what] = {"status": "queued", "words": "waiting"}
            self._queue.put((run_id, what))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="appcore-exports", daemon=True)
                self._thread.start()

    def state(self, run_id: str) -> dict[str, Any]:
        """cursor (None: no checkpoint), files {format: path}, reality (or None), and jobs {what: {status, words}} of this process."""
        folder = paths.run_folder(self._store.folder, run_id)
        cursor = model_formats.newest_cursor(folder)
        with self._lock:
            jobs = {what: dict(job) for (owner, what), job in self._jobs.items() if owner == run_id}
        if cursor is None:
            return {"cursor": None, "files": {}, "reality": None, "jobs": jobs}
        made = {what: str(path) for what, path in model_formats.made(folder, cursor).items()}
        reality = reality_record.read(paths.model_file(folder, REALITY, cursor))
        return {"cursor": cursor, "files": made, "reality": reality, "jobs": jobs}

    def _serve(self) -> None:
        while True:
            run_id, what = self._queue.get()
            self._report(run_id, what, "working", "reading the checkpoint")
            try:
                self._make(run_id, what)
                self._report(run_id, what, "done", "")
            except InputError as error:
                self._report(run_id, what, "failed", error.message)
            except Exception as error:  # shown on the page; the thread goes on with the next one
                traceback.print_exc()
                lines = str(error).splitlines() or [""]
                self._report(run_id, what, "failed", f"{type(error).__name__}: {lines[0]}")

    def _report(self, run_id: str, what: str, status: str, words: str) -> None:
        with self._lock:
            self._jobs[run_id, what] = {"status": status, "words": words}

    def _make(self, run_id: str, what: str) -> None:
        row = self._store.get(run_id)
        folder = paths.run_folder(self._store.folder, run_id)
        network = model_formats.load(row, folder)
        about = {"run_id": run_id, "status": row["status"], "dataset": row["dataset"]}
        if what != REALITY:
            model_formats.write(network, what, folder, about)
            return
        from ..transfer import reality_check

        ends = self._store.megabatches(run_id, newest=True)
        row = {**row, "test_accuracy": None if ends.empty else float(ends["test_accuracy"].iloc[-1])}
        found = reality_check.check(row, network, folder, about, lambda words: self._report(run_id, what, "working", words))
        others = [other for other in self._store.runs(50) if other["status"] in STARTED]
        text = json.dumps(found | {"trained_meanwhile": len(others)}, indent=1)
        files.write(paths.model_file(folder, REALITY, network.cursor), text)
