"""In a browser: scrubbing and playing masks, less motion, and dragging what-if, by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import browser
import fake_masks
import fake_runs
import pytest
from test_browser import READY, address, chromium, page, store
from test_browser_playback import DRAG

from appcore.storage.store import Store

__all__ = ["address", "chromium", "page", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]


def headline(page: Any, text: str) -> None:
    page.locator(".st-key-answer").get_by_text(text).first.wait_for()


@pytest.mark.slow
def test_scrubbing_masks_by_keyboard_moves_sentence_figures_and_address(address: str, store: Store, page: Any) -> None:
    run_id = fake_masks.write(store)
    page.goto(f"{address}/masks?run={run_id}&point=3&layer=conv2")
    headline(page, "The start of megabatch 3")
    page.wait_for_function(READY)
    chart = page.locator(".st-key-kernels .chart")
    chart.evaluate("node => { node.mine = 'the same node' }")
    updates = int(chart.evaluate("node => node.dataset.updates"))
    page.locator(".playback input").focus()
    page.keyboard.press("ArrowRight")
    headline(page, "The start of megabatch 4")
    chart.scroll_into_view_if_needed()
    page.wait_for_function("seen => Number(document.querySelector('.st-key-kernels .chart').dataset.updates) > seen", arg=updates)
    assert chart.evaluate("node => node.mine") == "the same node"  # redrawn in place
    page.wait_for_function("() => location.search.includes('at=') && !location.search.includes('point=')")
    assert "layer=conv2" in page.url and run_id in page.url
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.slow
def test_play_goes_through_and_steps_where_less_motion_is_wanted(address: str, store: Store, chromium: Any) -> None:
    run_id = fake_masks.write(store, megabatches=3)
    for motion, label in (("no-preference", "Play"), ("reduce", "Next step")):
        context = chromium.new_context(reduced_motion=motion)
        context.set_default_timeout(browser.PATIENCE)
        page = context.new_page()
        page.goto(f"{address}/masks?run={run_id}&point=1")
        headline(page, "The start of megabatch 1")
        page.locator(f".playback .play[title='{label}']").click()
        if label == "Play":
            page.wait_for_function("() => document.querySelector('.playback output').textContent.startsWith('the end')")
            page.locator(".playback .play[title='Play']").wait_for()  # it holds at the end
            headline(page, "megabatch 3")
        else:
            headline(page, "The start of megabatch 2")
        context.close()


@pytest.mark.slow
def test_snip_against_magnitude_moves_with_the_slider_and_plays(address: str, store: Store, page: Any) -> None:
    pair = [fake_runs.write(store, pruner=pruner, megabatches=4) for pruner in ("snip", "magnitude")]
    page.goto(f"{address}/compare?runs={','.join(pair)}&megabatch=2")  # a link of before playback
    page.wait_for_function(READY)
    chart = page.locator(".st-key-mirrored .chart")
    shown = "() => document.querySelector('.st-key-mirrored .chart').layout.title.text"
    assert page.evaluate(shown).endswith("at megabatch 2?")
    widths = "node => Array.from(node._fullData[0].x)"
    before = chart.evaluate(widths)
    chart.evaluate("node => { node.mine = 'the same node' }")
    page.locator(".playback input").evaluate(DRAG, 0.75)
    page.wait_for_function(f"() => ({shown})().endsWith('at megabatch 3?')")
    after = chart.evaluate(widths)
    assert len(after) == len(before) > 0 and after != before
    assert chart.evaluate("node => node.mine") == "the same node"  # redrawn in place
    page.wait_for_function("() => location.search.includes('at=')")
    page.locator(".playback .play").click()
    page.wait_for_function(f"() => ({shown})().endsWith('at megabatch 4?')")
    page.locator(".playback .play[title='Play']").wait_for()  # it holds at the end
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.slow
def test_dragging_what_if(address: str, page: Any, tmp_path: Path) -> None:
    page.goto(f"{address}/what_if?arch=mlp&density=10 %25")
    headline(page, "90.0")
    page.wait_for_function(READY)
    chart = "document.querySelector('.st-key-what-is-left .chart')"
    marks = f"() => {chart}.data.filter(t => t.mode === 'markers' && t.hoverinfo !== 'skip').length"
    assert page.evaluate(marks) == 2
    seen = int(page.locator(".st-key-what-is-left .chart").evaluate("node => node.dataset.updates"))
    page.locator(".st-key-sparsity input[type=range]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => !location.search.includes('density=') && location.search.includes('sparsity=9')")
    page.wait_for_function("seen => Number(document.querySelector('.st-key-what-is-left .chart').dataset.updates) > seen", arg=seen)
    assert page.locator("[data-testid=stException]").count() == 0
