"""In a browser: a lottery ticket on Run and on Masks, where its rounds are the axis."""

from __future__ import annotations

from typing import Any

import browser
import fake_masks
import fake_runs
import pytest
from test_browser import READY, address, chromium, page, store

from appcore.storage.store import Store

__all__ = ["address", "chromium", "page", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]
TICKET: dict[str, Any] = {"method": "imp", "pruner": "magnitude", "megabatches": 1, "epochs": 3, "tau": 3.0}


def layout(key: str, path: str) -> str:
    return f"() => document.querySelector('.st-key-{key} .chart').layout.{path}"


@pytest.mark.slow
def test_a_ticket_reads_in_rounds_on_run_and_masks(address: str, store: Store, page: Any) -> None:
    run_id = fake_masks.write(store, **TICKET)
    fake_runs.write(store, **{**TICKET, "method": "dense"})
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(READY)
    points = page.locator(".st-key-ticket-chart .chart").evaluate(
        "node => Array.from(node._fullData.find((trace) => trace.name === 'ticket').x)"
    )
    assert [round(x) for x in points] == [100, 80, 64, 51]
    assert page.evaluate(layout("ticket-chart", "xaxis.type")) == "log"
    assert page.evaluate(layout("accuracy-chart", "xaxis.title.text")) == "round (each of 3 epochs)"
    assert page.evaluate(layout("staircase-chart", "xaxis.ticktext")) == ["0", "1", "2", "3"]
    assert page.evaluate(layout("layers-map-chart", "xaxis.title.text")) == "round"
    page.goto(f"{address}/masks?run={run_id}&point=1")
    page.locator(".st-key-answer").get_by_text("The start of round 1").first.wait_for()
    page.locator(".playback input").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".st-key-answer").get_by_text("The start of round 2").first.wait_for()
    page.wait_for_function(READY)
    assert page.evaluate(layout("survival", "xaxis.ticktext")) == ["1", "2", "3"]
    assert page.locator("[data-testid=stException]").count() == 0
