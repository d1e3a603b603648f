"""In a browser: one slider moves the figures of Run, Compare and Masks in time, and the address keeps the moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import browser
import fake_masks
import pytest
from test_browser import READY, chromium, page

from appcore.storage.store import Store

__all__ = ["chromium", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]
WORDS = "() => document.querySelector('.playback output').textContent"
TITLE = "() => document.querySelector('.playback .play').title"
DRAG = """(slider, share) => {
  slider.value = Math.round(share * slider.max);
  slider.dispatchEvent(new Event('input', { bubbles: true }));
}"""
FRAME = """() => {
  const { xaxis, yaxis } = document.querySelector('.st-key-accuracy-chart .chart')._fullLayout;
  return [xaxis.range, yaxis.range];
}"""
WATCH = "() => { window.seen = new Set(); setInterval(() => window.seen.add(POINTS), 20) }"


def points(key: str) -> str:
    """The points of the last line of a chart that are drawn."""
    return f"(document.querySelector('.st-key-{key} .chart')?._fullData?.findLast((t) => t.mode === 'lines')?.x?.length ?? 0)"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The app's address and two runs of 4 x (cut, three epochs), one for all tests of this file."""
    folder = tmp_path_factory.mktemp("playback")
    with browser.app(folder) as address:
        store = Store(folder / "runs.db")
        yield address, [fake_masks.write(store, pruner=pruner, megabatches=4, epochs=3) for pruner in ("snip", "magnitude")]


@pytest.mark.slow
def test_a_run_plays_to_its_end_and_axes_keep_still(place: tuple[str, list[str]], page: Any) -> None:
    address, (run_id, _) = place
    page.goto(f"{address}/run?run={run_id}&at=0")
    page.wait_for_function(READY)
    assert page.evaluate(WORDS) == "the start"
    assert page.evaluate(f"() => {points('accuracy-chart')}") <= 1  # a point without a place holds the legend
    before = page.evaluate(FRAME)
    page.evaluate(WATCH.replace("POINTS", points("accuracy-chart")))
    page.locator(".playback .play").click()
    page.wait_for_function("() => document.querySelector('.playback output').textContent.startsWith('the end')")
    assert page.evaluate(TITLE) == "Play"
    assert len(page.evaluate("() => [...window.seen]")) > 6  # it grew, step by step
    page.wait_for_function("() => !location.search.includes('at=')")
    page.get_by_text("every number below is final").wait_for()
    assert page.evaluate(FRAME) == before


@pytest.mark.slow
def test_the_middle_stands_in_the_address(place: tuple[str, list[str]], page: Any) -> None:
    address, (run_id, _) = place
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(READY)
    assert page.evaluate(f"() => {points('accuracy-chart')}") == 12
    page.locator(".playback input").evaluate(DRAG, 0.5)
    page.wait_for_function(f"() => {points('accuracy-chart')} === 6")
    page.wait_for_function("() => location.search.includes('at=50')")
    page.get_by_text("after megabatch 2, at").wait_for()
    page.reload()
    page.wait_for_function(f"() => {points('accuracy-chart')} === 6")
    assert page.evaluate(WORDS) == "megabatch 2 of 4, epoch 3 of 3"
    page.locator(".playback input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.playback output').textContent === 'megabatch 3 of 4, prune point'")
    page.wait_for_function("() => location.search.includes('at=56.25')")
    masks = page.locator(".st-key-of-run a[href*='at=56.25']", has_text="Masks")  # the pages about the run keep the moment
    browser.insist(page, masks.first.click, "() => location.pathname.endsWith('/masks')")
    page.locator(".st-key-answer").get_by_text("The start of megabatch 3").wait_for()
    assert "at=56.25" in page.url


@pytest.mark.slow
def test_compare_plays_two_runs_with_the_keyboard(place: tuple[str, list[str]], page: Any) -> None:
    address, pair = place
    page.goto(f"{address}/compare?runs={','.join(pair)}&at=25")
    page.wait_for_function(READY)
    page.wait_for_function(f"() => {points('compare-accuracy')} === 3")
    page.locator(".playback input").focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('.playback .play').title === 'Pause'")
    page.wait_for_function(f"() => {points('compare-accuracy')} > 5")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('.playback .play').title === 'Play'")
    page.wait_for_function("() => Number(new URLSearchParams(location.search).get('at')) > 25")
    page.get_by_role("heading", name="so far").wait_for()


@pytest.mark.slow
def test_masks_play_from_snapshot_to_snapshot(place: tuple[str, list[str]], page: Any) -> None:
    address, (run_id, _) = place
    page.goto(f"{address}/masks?run={run_id}&at=0")
    page.get_by_text("The start of megabatch 1").first.wait_for()
    page.wait_for_function(READY)
    page.locator(".playback .play").click()
    page.locator(".st-key-answer").get_by_text("The start of megabatch 2").wait_for()
    page.locator(".st-key-answer").get_by_text("The start of megabatch 4").wait_for()
    assert page.evaluate(WORDS) == "the end: the start of megabatch 4"
