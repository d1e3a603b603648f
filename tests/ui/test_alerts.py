"""What the browser is told of a run that has ended: text as it is, and no more than a notification holds."""

from __future__ import annotations

import fake_runs
import pytest
from hostile_text import ATTACK

from appcore.storage.store import Store
from appcore.ui.widgets import alerts


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        ("done", None, "Done"),
        ("stopped", None, "Stopped"),
        ("failed", f"it broke:\n  {ATTACK[:40]}", f"Failed: it broke: {ATTACK[:40]}"),
        ("failed", "x" * 999, f"Failed: {'x' * 199}…"),
    ],
)
def test_a_run_is_told_by_its_title_and_outcome(tmp_path: object, status: str, error: str | None, outcome: str) -> None:
    store = Store(f"{tmp_path}/runs.db")
    run_id = fake_runs.write(store, until=20, status=status, title=ATTACK)
    store.update(run_id, error=error)
    assert alerts.told(store.get(run_id)) == {"id": run_id, "title": ATTACK, "outcome": outcome, "isGoing": False}


def test_a_run_that_goes_on_may_end(tmp_path: object) -> None:
    store = Store(f"{tmp_path}/runs.db")
    run_id = fake_runs.write(store, until=20, status="paused", title="")
    found = alerts.told(store.get(run_id))
    assert found["isGoing"] and found["title"] == (store.get(run_id)["title"] or run_id)
