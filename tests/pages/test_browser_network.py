"""In a browser: the drawing of the network, a click on a layer, and the table in its place."""

from __future__ import annotations

from typing import Any

import browser
import fake_masks
import pytest
from test_browser import address, chromium, page, store

from appcore.storage.store import Store

__all__ = ["address", "chromium", "page", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]


@pytest.mark.slow
def test_a_click_on_a_layer_of_the_drawing_opens_it(address: str, store: Store, page: Any) -> None:
    run_id = fake_masks.write(store, pruner="snip", megabatches=3)
    page.goto(f"{address}/masks?run={run_id}")
    page.locator(".network").scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelectorAll('.network .layer').length === 20")
    assert page.locator(".network .joint").count() == 9
    assert page.locator(".network svg").get_attribute("aria-label").startswith("The network from its images")
    browser.insist(page, page.locator(".network [data-layer='conv1.weight']").click, "() => location.search.includes('layer=conv1')")
    page.wait_for_function("() => document.querySelector('.network .chosen')?.dataset.layer === 'conv1.weight'")
    page.locator(".network .as-table").click()
    assert page.locator(".network tr").count() == 21
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.slow
def test_images_are_shown_with_what_was_said_and_their_pictures_when_asked_for(address: str, store: Store, page: Any) -> None:
    run_id = fake_masks.write(store, pruner="snip", megabatches=3)
    page.goto(f"{address}/run?run={run_id}")
    page.locator(".pictures figure").nth(11).wait_for()
    button = page.get_by_role("button", name="Show the pictures and all mistakes")
    browser.insist(page, button.click, "() => document.querySelectorAll('.pictures img').length === 12")
    page.get_by_text("No weights of this run are on this machine").wait_for()
    page.wait_for_function("() => document.querySelector('.st-key-confusion .chart')?.data")
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.slow
def test_a_drawing_out_of_sight_waits(address: str, store: Store, page: Any) -> None:
    run_id = fake_masks.write(store, pruner="snip", megabatches=3)
    page.set_viewport_size({"width": 900, "height": 500})
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function("() => document.querySelector('.network')")
    page.wait_for_timeout(500)
    assert page.locator(".network .layer").count() == 0
    page.locator(".network").scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelectorAll('.network .layer').length === 20")
