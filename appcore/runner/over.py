"""What a server's own program or address is told when a run is over (trackers/on_end)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..storage.store import Store
from ..trackers import on_end


def tell(store: Store, run_id: str, status: str, error: str | None = None) -> None:
    """Say that a run has ended for good as `status`, because of `error`; nothing where nobody is to be told, and never an exception."""
    if not on_end.is_wanted():
        return
    title: str | None = None
    accuracy: float | None = None
    with suppress(Exception):  # the store may be what the run has failed by
        title = store.get(run_id)["title"]
        if status == "done":
            accuracy = _accuracy(store, run_id)
    on_end.tell({"run": run_id, "title": title, "status": status, "accuracy": accuracy, "error": error})


def _accuracy(store: Store, run_id: str) -> float | None:
    """The share of test images classified correctly after the last megabatch."""
    ends: Any = store.megabatches(run_id, newest=True)
    return None if ends.empty else float(ends["test_accuracy"].iloc[-1])
