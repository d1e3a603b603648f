"""What only a browser can show: deep links, charts that are updated in place, live runs from start to stop, a second tab."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import fake_runs
import pytest

from appcore.config import build
from appcore.planning.plan import plan
from appcore.storage.store import Store

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]
READY = "() => { const all = [...document.querySelectorAll('.chart')]; return all.length > 0 && all.every(c => c.dataset.updates) }"

ROWS = """() => [...document.querySelectorAll('.st-key-layers-map-chart .table tbody tr')]
  .map(row => [row.querySelector('th').textContent, [...row.querySelectorAll('td')].map(cell => cell.textContent)])"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(browser.PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with browser.app(tmp_path) as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


def badge(page: Any, word: str, patience: float = browser.PATIENCE) -> None:
    page.locator("[data-testid=stMarkdownBadge], .stMarkdownBadge").filter(has_text=word).first.wait_for(timeout=patience)


def state(page: Any, word: str) -> None:
    """Wait for a run in this state in the rail of Compare."""
    page.locator(".rail .state").filter(has_text=word).first.wait_for()


@pytest.mark.slow
def test_a_deep_link_as_first_request_lands_on_its_page_with_its_query(address: str, store: Store, page: Any) -> None:
    pair = [fake_runs.write(store, group="g", pruner=pruner) for pruner in ("snip", "magnitude")]
    page.goto(f"{address}/compare?runs={','.join(pair)}&megabatch=3")
    page.get_by_role("heading", name="Magnitude prunes the early layers harder at every megabatch").wait_for()
    page.wait_for_function("() => document.querySelector('.st-key-mirrored .chart')?.layout?.title?.text.includes('megabatch 3')")
    assert "/compare" in page.url
    assert all(run_id in page.url for run_id in pair)
    start = page.get_by_role("link", name="Start").first
    assert start.is_visible()  # the navigation of app.py, not the legacy one
    assert start.evaluate("one => one.href") == f"{address}/"  # also where it is opened in a new tab


@pytest.mark.slow
def test_zoom_hidden_curves_and_the_node_survive_three_live_updates(address: str, store: Store, page: Any) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=20, status="running"))
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(READY)
    chart = page.locator(".st-key-accuracy-chart .chart")
    chart.scroll_into_view_if_needed()
    browser.insist(page, lambda: _zoom(page, chart), "() => !document.querySelector('.st-key-accuracy-chart .zoomed').hidden")
    is_hidden = "() => document.querySelector('.st-key-accuracy-chart .chart')._fullData[0].visible === 'legendonly'"
    browser.insist(page, lambda: chart.locator(".legendtoggle").first.click(), is_hidden)  # hides the first curve
    chart.evaluate("node => { node.mine = 'the same node' }")
    zoomed, scrolled = chart.evaluate("node => node.layout.xaxis.range"), _scrolled(page)
    for until in (26, 32, 38):
        points, updates = chart.evaluate("node => [node._fullData[1].x.length, Number(node.dataset.updates)]")
        fake_runs.advance(store, run_id, until)
        page.wait_for_function(
            "seen => Number(document.querySelector('.st-key-accuracy-chart .chart').dataset.updates) > seen", arg=updates
        )
        assert chart.evaluate("node => node._fullData[1].x.length") > points
    assert chart.evaluate("node => node.mine") == "the same node"
    assert chart.evaluate("node => node.layout.xaxis.range") == zoomed
    assert chart.evaluate("node => node._fullData[0].visible") == "legendonly"
    assert _scrolled(page) == scrolled
    assert page.locator("[data-testid=stException]").count() == 0


def _zoom(page: Any, chart: Any) -> None:
    box = chart.locator(".nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()


def _scrolled(page: Any) -> float:
    return page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop")


def _settled(page: Any, expression: str, seconds: float = 2.0) -> Any:
    """A value once it has stayed the same for some seconds: charts arrive one by one, and each is drawn again when it has its width."""
    deadline = time.monotonic() + browser.PATIENCE / 1000
    value, since = page.evaluate(expression), time.monotonic()
    while time.monotonic() - since < seconds:
        assert time.monotonic() < deadline, f"it does not settle: {value}"
        page.wait_for_timeout(100)
        if (now := page.evaluate(expression)) != value:
            value, since = now, time.monotonic()
    return value


@pytest.mark.slow
def test_a_tick_without_news_draws_nothing(address: str, store: Store, page: Any) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=20, status="running"))
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(READY)
    count = "() => [...document.querySelectorAll('.chart')].map(c => c.dataset.updates).join()"
    page.locator("[data-test-script-state=notRunning]").wait_for()  # READY may hold for the first charts while others are still made
    before = _settled(page, count)
    page.wait_for_timeout(3_500)
    assert page.evaluate(count) == before


@pytest.mark.slow
def test_a_chart_out_of_sight_waits_and_is_up_to_date_when_it_comes_into_view(address: str, store: Store, page: Any) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=20, status="running"))
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(READY)
    page.wait_for_timeout(500)  # until the observers have looked
    counts = "() => [...document.querySelectorAll('.chart')].map(chart => Number(chart.dataset.updates))"
    before = page.evaluate(counts)
    fake_runs.advance(store, run_id, 38)
    page.wait_for_function("before => Number(document.querySelector('.chart').dataset.updates) > before", arg=before[0])
    page.wait_for_timeout(2_000)
    waiting = [index for index, (old, new) in enumerate(zip(before, page.evaluate(counts), strict=True)) if new == old]
    assert len(waiting) >= 2 and page.evaluate("index => !!document.querySelectorAll('.chart')[index].next", waiting[-1])
    page.locator(".chart").nth(waiting[-1]).scroll_into_view_if_needed()
    drawn = "([index, old]) => Number(document.querySelectorAll('.chart')[index].dataset.updates) > old"
    page.wait_for_function(drawn, arg=[waiting[-1], before[waiting[-1]]])
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("() => [...document.querySelectorAll('.chart')].every(chart => !chart.next)")
    shown = "() => { Object.defineProperty(document, 'hidden', { value: %s, configurable: true });"
    page.evaluate(shown % "true" + "}")  # another tab comes to the front
    seen = page.evaluate(counts)
    fake_runs.advance(store, run_id, 44)
    page.wait_for_function("() => [...document.querySelectorAll('.chart')].some(chart => chart.next)")
    assert page.evaluate(counts) == seen
    page.evaluate(shown % "false" + "document.dispatchEvent(new Event('visibilitychange')) }")
    page.wait_for_function("index => !document.querySelectorAll('.chart')[index].next", arg=waiting[-1])


@pytest.mark.slow
def test_the_theme_of_the_browser_reaches_the_charts(address: str, store: Store, chromium: Any) -> None:
    run_id = fake_runs.write(store)
    inks = {}
    for theme in ("light", "dark"):
        context = chromium.new_context(color_scheme=theme)
        context.set_default_timeout(browser.PATIENCE)
        page = context.new_page()
        page.goto(f"{address}/run?run={run_id}")
        page.wait_for_function(READY)
        inks[theme] = page.evaluate("() => document.querySelector('.st-key-accuracy-chart .chart')._fullLayout.font.color")
        context.close()
    assert inks == {"light": "#1B2430", "dark": "#E6E9EE"}


@pytest.mark.slow
def test_a_chart_as_table_by_keyboard_in_projector_mode(address: str, store: Store, page: Any) -> None:
    run_id = fake_runs.write(store)
    page.goto(f"{address}/run?run={run_id}&projector=1")
    page.wait_for_function(READY)
    assert page.evaluate("() => getComputedStyle(document.documentElement).fontSize") == "22.4px"
    assert page.evaluate("() => document.querySelector('.chart')._fullLayout.title.font.size") > 20
    switch = page.locator(".st-key-layers-map-chart .switch")
    switch.focus()
    page.keyboard.press("Enter")
    page.locator(".st-key-layers-map-chart .table td").first.wait_for()
    shown = dict(page.evaluate(ROWS))
    layers = store.layers([run_id])
    ends = layers[layers["layer"] == layers["layer"].iloc[0]].groupby("megabatch").last()
    assert [float(text) for text in shown["conv1"]] == pytest.approx(list(100 * (1 - ends["kept"] / ends["total"])), abs=0.01)
    assert len(shown) == layers["layer"].nunique()
    page.keyboard.press("Enter")
    page.locator(".st-key-layers-map-chart .chart").wait_for()
    page.get_by_role("link", name="Runs").first.click()
    page.wait_for_url("**/runs?**projector=1**")  # stays on from page to page


@pytest.mark.slow
def test_from_start_to_stop_with_a_second_tab(address: str, store: Store, page: Any) -> None:
    page.goto(address)
    page.locator(".st-key-start button").click()
    page.wait_for_url("**/compare?runs=**")
    _counted(page)
    page.locator(".st-key-hold button").click()
    state(page, "Paused")
    assert {run["status"] for run in store.runs()} == {"paused"}
    run_id = store.runs()[0]["run_id"]
    second = page.context.new_page()
    second.goto(f"{address}/run?run={run_id}")
    badge(second, "Paused")  # while nothing moves: a fast machine would be done before a second page is there
    second.wait_for_function(READY)
    page.reload()
    _counted(page)
    assert run_id in page.url
    page.locator(".st-key-hold button").click()
    state(page, "Running")
    page.locator(".st-key-stop button").click()
    state(page, "Stopped")
    badge(second, "Stopped")  # the other tab sees it by itself
    assert {run["status"] for run in store.runs()} == {"stopped"}
    assert second.locator(".st-key-hold button").inner_text().endswith("Resume")


@pytest.mark.slow
@pytest.mark.alone
def test_eight_tabs_on_one_run(address: str, store: Store, page: Any) -> None:
    config = build({"arch": "mlp", "dataset": "digits", "megabatches": 6, "epochs": 5000, "device": "cpu"})
    run_id = store.create_run(config, launcher="thread", plan_length=len(plan(config)))
    store.update(run_id, status="stopped")
    tabs = [page, *(page.context.new_page() for _ in range(7))]
    for tab in tabs:
        tab.set_viewport_size({"width": 600, "height": 300})  # what Chromium draws is not at stake, and takes both cores
        tab.goto(f"{address}/run?run={run_id}")
    patience = 4 * browser.PATIENCE  # eight pages are drawn by one server
    for tab in tabs:
        badge(tab, "Stopped", patience)
    for tab in tabs[:3]:  # three people at once
        tab.locator(".st-key-hold button").dispatch_event("click")
    for tab in tabs:
        badge(tab, "Running", patience)
    tabs[-1].locator(".st-key-stop button").dispatch_event("click")
    for tab in tabs:
        badge(tab, "Stopped", patience)
        assert tab.locator("[data-testid=stException]").count() == 0
    assert [run["status"] for run in store.runs()] == ["stopped"]
    rows = store.epochs(run_id)
    assert len(rows) > 0
    assert not rows.duplicated(["megabatch", "epoch"]).any()  # driven once


def _counted(page: Any) -> None:
    """The heatmap has a column with numbers."""
    page.wait_for_function(
        "() => document.querySelector('.st-key-difference-map .chart')?.layout?.yaxis?.ticktext?.length > 0", timeout=2 * browser.PATIENCE
    )


@pytest.mark.slow
def test_the_main_path_by_keyboard_alone(address: str, store: Store, page: Any) -> None:
    page.goto(address)
    page.locator(".st-key-start button").wait_for()
    _tab_to(page, "start")
    outline = page.evaluate("() => { const look = getComputedStyle(document.activeElement); return look.outlineStyle + look.boxShadow }")
    assert outline != "nonenone"  # the focus can be seen
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?runs=**")
    _counted(page)
    browser.insist(page, lambda: _press(page, "stop"), "() => !document.querySelector('.st-key-stop button:not([disabled])')")
    state(page, "Stopped")
    assert {run["status"] for run in store.runs()} == {"stopped"}


def _press(page: Any, key: str) -> None:
    _tab_to(page, key)
    page.keyboard.press("Enter")


def _tab_to(page: Any, key: str) -> None:
    """Press Tab until the focus is within an element; the page may be drawn anew on the way."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("key => Boolean(document.activeElement.closest(`.st-key-${key}`))", key):
            return
    raise AssertionError(f"{key} cannot be reached by keyboard")
