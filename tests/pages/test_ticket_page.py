"""The page of a run with rounds: chart, sentence, what it adds; an old run without the values; stopped and failed runs."""

from __future__ import annotations

from typing import Any

import fake_masks
import fake_runs
import pytest
from sqlalchemy import delete
from test_pages import no_warm_up, opened, store, words

from appcore.service import manager
from appcore.storage import schema
from appcore.storage.store import Store

__all__ = ["no_warm_up", "store"]  # fixtures
TICKET: dict[str, Any] = {"method": "imp", "pruner": "magnitude", "megabatches": 1, "epochs": 3, "tau": 3.0}


def keys(app: Any) -> set[str]:
    """The keys of the charts on a page."""
    return set(app.session_state["_figures"]) if "_figures" in app.session_state else set()


def test_a_ticket_is_judged_and_adds_what_it_lacks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = fake_runs.write(store, **TICKET)
    asked: list[Any] = []
    monkeypatch.setattr(manager.Manager, "start", lambda self, configs, **about: asked.append((configs, about)) or [])
    app = opened("run", run=run_id)
    assert "With 51.2\u00a0% of the weights" in words(app).replace("51.2 %", "51.2\u00a0%") and "after round 3" in words(app)
    assert "ticket-chart" in keys(app) and "errors-chart" not in keys(app)
    app.button(key="add_beside").click().run()
    ((control, dense),) = [configs for configs, _ in asked]
    assert control["options"] == {"control": "reinit"} and (dense["method"], dense["seed"]) == ("dense", control["seed"])


def test_control_and_dense_runs_stand_beside_it(store: Store) -> None:
    run_id = fake_runs.write(store, **TICKET)
    fake_runs.write(store, **TICKET, options={"control": "reinit"})
    for seed in range(2):
        fake_runs.write(store, **{**TICKET, "method": "dense"}, seed=seed)
    app = opened("run", run=run_id)
    assert "over 2 seeds" in words(app) and "from fresh initial values" in words(app)
    assert app.button(key="add_beside").label == "Add dense, 1 more seed"


def test_an_old_run_says_that_the_values_were_not_recorded(store: Store) -> None:
    run_id = fake_runs.write(store, **TICKET)
    with store._database.write() as connection:
        connection.execute(delete(schema.rounds))
    text = words(opened("run", run=run_id))
    assert "3 earlier rounds were not recorded" in text and "With 51.2" in text


def test_masks_of_a_ticket_are_named_by_their_rounds(store: Store) -> None:
    run_id = fake_masks.write(store, **TICKET)
    assert "The start of round 3: " in words(opened("masks", run=run_id))
    assert "The start of round 1: " in words(opened("masks", run=run_id, point="1"))


def test_a_ticket_under_way_says_its_round(store: Store) -> None:
    run_id = fake_runs.write(store, **TICKET, until=9, status="running")
    fake_runs.keep_alive(store, run_id, progress={**store.get(run_id)["progress"], "segment": 8, "epoch": 1})
    assert "Round 1 of 3, epoch 2 of 3." in words(opened("run", run=run_id))


def test_a_stopped_run_has_no_time_left_and_says_where_the_test_was(store: Store) -> None:
    app = opened("run", run=fake_runs.write(store, until=44, status="stopped"))
    labels = [metric.label for metric in app.metric]
    assert "Time" in labels and "Time left" not in labels
    assert "after megabatch 3" in words(app)


def test_a_failed_run_shows_what_it_has_and_no_empty_charts(store: Store) -> None:
    app = opened("run", run=fake_runs.write(store, until=3, status="failed"))
    assert keys(app) == {"accuracy-chart", "staircase-chart", "layers-map-chart", "gap-chart", "loss-chart", "truth-meter-chart"}
    app = opened("run", run=fake_runs.write(store, until=0, status="failed"))
    assert "ended before anything was measured" in words(app) and not keys(app) & {"accuracy-chart", "staircase-chart"}


def test_a_remark_stands_once(store: Store) -> None:
    run_id = fake_runs.write(store)
    row = store.get(run_id)
    store.update(run_id, notes=["one remark"], started={**row["started"], "notes": ["one remark"]})
    assert words(opened("run", run=run_id)).count("one remark") == 1


@pytest.mark.thorough
def test_compare_draws_tickets_by_the_weights_left_where_they_are_chosen(store: Store) -> None:
    ticket, dense = fake_runs.write(store, **TICKET), fake_runs.write(store, **{**TICKET, "method": "dense"})
    app = opened("compare", runs=f"{ticket},{dense}")
    assert "compare-ticket" in keys(app) and "points for the ticket" in words(app)
    stream = fake_runs.write(store, megabatches=2)
    assert "compare-ticket" not in keys(opened("compare", runs=f"{stream},{dense}"))
