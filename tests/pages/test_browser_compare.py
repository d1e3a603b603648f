"""In a browser: many runs on Compare, with captions whole, plots tall enough, runs hidden in the rail, and the address that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import browser
import fake_runs
import pytest
from test_browser import READY, chromium, page

from appcore.storage.store import Store

__all__ = ["chromium", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]

CLIPPED = """() => [...document.querySelectorAll('.chart')].filter(host => host.offsetParent && host.dataset.updates).filter(host =>
  [...host.querySelectorAll('.gtitle, .gtitle-subtitle')]
    .some(words => words.getBoundingClientRect().right > host.getBoundingClientRect().right + 1)
).map(host => host.layout.title.text)"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    """The app's address and its store, one for all tests of this file."""
    folder = tmp_path_factory.mktemp("compare")
    with browser.app(folder) as address:
        yield address, Store(folder / "runs.db")


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 900])
def test_captions_of_charts_are_never_cut_off(place: tuple[str, Store], page: Any, width: int) -> None:
    address, store = place
    pair = [fake_runs.write(store, pruner=pruner, megabatches=3) for pruner in ("snip", "magnitude")]
    page.set_viewport_size({"width": width, "height": 6000})  # all charts are in sight
    page.goto(f"{address}/compare?runs={','.join(pair)}")
    page.wait_for_function(READY)
    assert page.evaluate(CLIPPED) == []
    page.set_viewport_size({"width": 1440, "height": 6000})
    page.wait_for_function("() => !document.querySelector('.st-key-early-layers .chart').layout.title.subtitle.text.includes('<br>')")


def _twelve(store: Store) -> list[str]:
    return [fake_runs.write(store, pruner=("snip", "magnitude")[n % 2], megabatches=2, lr=0.01 * (1 + n // 2)) for n in range(12)]


@pytest.mark.slow
def test_twelve_runs_have_a_rail_and_plots_that_are_tall_enough(place: tuple[str, Store], page: Any) -> None:
    address, store = place
    runs = _twelve(store)
    page.set_viewport_size({"width": 900, "height": 8000})
    page.goto(f"{address}/compare?runs={','.join(runs)}")
    page.wait_for_function(READY)
    names = page.locator(".rail .run")
    assert names.count() == 12
    colours = page.evaluate("() => [...document.querySelectorAll('.rail .mark')].map(mark => mark.style.color)")
    assert len(set(colours)) == 12
    plots = page.evaluate("() => [...document.querySelectorAll('.chart')].map(c => [c._fullLayout.title.text, c._fullLayout._size.h])")
    assert [plot for plot in plots if plot[1] < 220] == []
    assert page.evaluate("() => [...document.querySelectorAll('.chart')].filter(c => c._fullLayout.showlegend).length") == 0
    lefts = page.evaluate("() => [...document.querySelectorAll('.chart')].map(c => Math.round(c.getBoundingClientRect().left))")
    assert len(set(lefts)) > 1  # two charts in a row
    page.get_by_role("button", name="Add or remove runs").click()
    page.locator(".st-key-picked_runs [data-tag]").last.wait_for()
    chips = "[...document.querySelectorAll('.st-key-picked_runs [data-tag]')]"
    tags = page.evaluate(f"() => {chips}.map(chip => chip.getBoundingClientRect().bottom)")
    box = page.locator("[data-testid=stPopoverBody]").bounding_box()
    assert len(tags) == 12 and max(tags) <= box["y"] + box["height"]  # none is cut off


@pytest.mark.slow
def test_a_run_is_hidden_and_shown_again_and_the_address_keeps_it(place: tuple[str, Store], page: Any) -> None:
    address, store = place
    runs = [fake_runs.write(store, pruner=pruner, megabatches=2) for pruner in ("snip", "magnitude", "random")]
    page.goto(f"{address}/compare?runs={','.join(runs)}")
    page.wait_for_function(READY.replace("all.every", "all.some"))
    lines = "() => (document.querySelector('.st-key-compare-accuracy .chart')?.data || []).filter(t => t.mode === 'lines').length"
    page.wait_for_function(f"() => ({lines})() === 3")
    box = "() => document.querySelector('.st-key-compare-accuracy .hoverlayer').textContent"
    page.evaluate("() => Plotly.Fx.hover(document.querySelector('.st-key-compare-accuracy .chart'), [{ curveNumber: 0, pointNumber: 12 }])")
    page.wait_for_function(f"() => ({box})().includes('megabatch 2, epoch 1')")
    assert "Magnitude" not in page.evaluate(box)  # the box of one point hides little
    browser.insist(page, lambda: page.get_by_role("button", name="Hide Random").click(), f"() => ({lines})() === 2")
    assert f"hide={runs[2]}" in page.url
    page.reload()
    page.wait_for_function(READY.replace("all.every", "all.some"))
    page.wait_for_function(f"() => ({lines})() === 2")
    browser.insist(page, lambda: page.get_by_role("button", name="Show all").click(), f"() => ({lines})() === 3")
    page.wait_for_function("() => !location.search.includes('hide=')")
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.slow
def test_the_rail_takes_the_same_room_while_runs_go_on(place: tuple[str, Store], page: Any) -> None:
    address, store = place
    done = [fake_runs.write(store, pruner=pruner, megabatches=3) for pruner in ("snip", "magnitude")]
    begun = [fake_runs.write(store, until=10, status="running", pruner=pruner) for pruner in ("snip", "magnitude")]
    running = [fake_runs.keep_alive(store, run_id) for run_id in begun]
    for width in (1440, 900, 400):
        page.set_viewport_size({"width": width, "height": 1000})
        rooms = []
        for pair in (done, running):
            page.goto(f"{address}/compare?runs={','.join(pair)}")
            page.wait_for_function(READY)
            page.locator(".rail .run").nth(1).wait_for()
            rail, charts = (page.locator(f".st-key-{key}").bounding_box() for key in ("run-rail", "charts"))
            rooms.append((rail["x"], rail["width"], charts["x"], charts["width"]))
        assert rooms[0] == pytest.approx(rooms[1], abs=2), width
