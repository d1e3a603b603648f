"""In a browser: menus, code, charts and phones hold what they show, fields show the focus, and a deleted run is said to be gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import fake_masks
import fake_models
import fake_runs
import hostile_images
import pytest
from test_browser import READY, chromium, page

from appcore.storage.store import Store

__all__ = ["chromium", "page"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]

CUT = """() => [...document.querySelectorAll('[data-testid=stSelectbox] input')]
  .filter(field => field.scrollWidth > field.clientWidth + 1).map(field => field.value)"""
CODE = """() => [...document.querySelectorAll('[data-testid=stCode] code')].map(code => {
  const style = getComputedStyle(code.querySelector('span') || code);
  return [code.closest('pre').scrollWidth - code.closest('pre').clientWidth, style.overflowWrap, style.wordBreak] })"""
MEET = """() => [...document.querySelectorAll('.chart')].filter(host => host.dataset.updates && host.offsetParent).filter(host => {
  const tools = host.parentElement.querySelector('.tools').getBoundingClientRect();
  return [...host.querySelectorAll('.infolayer > [class^="g-x"] text')].map(title => title.getBoundingClientRect())
    .some(title => title.left < tools.right && title.bottom > tools.top + 3) }).map(host => host.layout.title.text)"""
# For each row of charts, the heights at which their plots begin.
ROWS = """() => {
  const seen = [...document.querySelectorAll('.chart')].filter(host => host.dataset.updates && host.offsetParent);
  return Object.values(Object.groupBy(seen, host => Math.round(host.getBoundingClientRect().top))).filter(row => row.length > 1)
  .map(row => [...new Set(row.map(host => Math.round(host._fullLayout._size.t)))]) }"""
FRAME = """() => { for (let node = document.activeElement; node; node = node.parentElement) {
  const style = getComputedStyle(node);
  if (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) return true;
  if (['stSelectbox', 'stNumberInput'].includes(node.dataset.testid)) return false; } return false }"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    """The app's address and its store, one for all tests of this file."""
    folder = tmp_path_factory.mktemp("fit")
    with browser.app(folder) as address:
        yield address, Store(folder / "runs.db")


@pytest.mark.parametrize("width", [1280, 900, 400])
def test_no_choice_of_the_form_is_cut_off(lab: tuple[str, Store], page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    for method in ("app", "imp", "cs", "rigl"):
        page.goto(f"{lab[0]}/run?preset=quick&method={method}")
        page.locator(".st-key-form_seed input").wait_for()
        page.get_by_text("More settings").click()
        page.locator(".st-key-form_launcher input").wait_for()
        assert page.evaluate(CUT) == []


@pytest.mark.parametrize("query", ["", "?projector=1"])
def test_what_an_empty_number_of_runs_means_is_not_cut_off(lab: tuple[str, Store], page: Any, query: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{lab[0]}/machines{query}")
    page.locator(".st-key-workers input").wait_for()
    page.wait_for_function("""() => {
      const field = document.querySelector('.st-key-workers input'), style = getComputedStyle(field);
      const pen = document.createElement('canvas').getContext('2d');
      pen.font = style.font;
      const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      return field.placeholder && pen.measureText(field.placeholder).width < room }""")


def test_code_on_export_is_whole_in_its_card(lab: tuple[str, Store], page: Any) -> None:
    address, store = lab
    page.goto(f"{address}/export?run={fake_models.write(store)}")
    for what in ("dense", "prune"):
        ready = f"() => document.querySelector('.st-key-card-{what} [data-testid=stCode]')"
        browser.insist(page, page.locator(f".st-key-make-{what} button").click, ready)
    for width in (1440, 900, 400):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(500)
        found = page.evaluate(CODE)
        assert len(found) == 2 and all(one == [0, "normal", "normal"] for one in found), (width, found)


def test_the_name_of_an_axis_does_not_lie_under_the_buttons_of_a_chart(lab: tuple[str, Store], page: Any) -> None:
    address, store = lab
    runs = [fake_runs.write(store, epochs=epochs, megabatches=3) for epochs in (4, 12)]
    page.set_viewport_size({"width": 400, "height": 6000})
    page.goto(f"{address}/compare?runs={','.join(runs)}")
    page.wait_for_function(READY)
    page.wait_for_timeout(500)
    assert page.evaluate(MEET) == []
    below = "() => document.querySelector('.st-key-compare-accuracy .chart')._fullLayout.margin.b"
    narrow = page.evaluate(below)
    page.set_viewport_size({"width": 1440, "height": 6000})  # there is room beside them: the line goes back to the plot
    page.wait_for_function(f"narrow => ({below})() < narrow", arg=narrow)
    assert page.evaluate(MEET) == []


def test_titles_of_charts_side_by_side_stand_at_one_height(lab: tuple[str, Store], page: Any) -> None:
    address, store = lab
    runs = [fake_masks.write(store, pruner=pruner, megabatches=3) for pruner in ("snip", "magnitude")]
    page.set_viewport_size({"width": 1440, "height": 5000})
    page.goto(f"{address}/compare?runs={','.join(runs)}")
    page.wait_for_function(READY)
    tops = """() => ['mirrored', 'difference-map', 'same-by-layer'].map(key => {
      const title = document.querySelector(`.st-key-${key} .gtitle`), line = title.querySelector('tspan') || title;
      return [line.getBoundingClientRect().top, title.querySelectorAll('tspan').length] })"""
    (first, lines), (second, _), (third, _) = page.evaluate(tops)
    assert lines == 2  # or there is nothing to be told
    assert max(abs(first - second), abs(third - second)) < 2
    page.wait_for_function(f"() => {{ const rows = ({ROWS})(); return rows.length > 2 && rows.every(row => row.length < 2) }}")
    page.set_viewport_size({"width": 400, "height": 5000})  # one chart a row: none waits for another's title
    spare = "() => [...document.querySelectorAll('.chart')].filter(host => host._fullLayout.margin.t > host.room + 2).length"
    page.wait_for_function(f"() => !({spare})()")


def test_marks_of_a_stream_fit_their_cells_on_a_phone(lab: tuple[str, Store], page: Any) -> None:
    marks = "() => [...document.querySelectorAll('.st-key-timeline .textpoint text')].map(one => one.textContent)"
    for width, words in ((400, {"N", "R", "V"}), (1440, {"V"})):
        page.set_viewport_size({"width": width, "height": 3000})
        page.goto(f"{lab[0]}/stream?dataset=digits&megabatches=8")
        page.wait_for_function("() => document.querySelector('.st-key-timeline .chart')?.dataset.updates")
        found = set(page.evaluate(marks))
        assert found == words if width == 400 else any(mark.startswith("N ") for mark in found), (width, found)
        tools = "() => getComputedStyle(document.querySelector('.st-key-timeline .modebar-container')).display"
        assert (page.evaluate(tools) == "none") == (width == 400), "they lie over a title that takes the whole width"


def test_a_field_shows_the_focus_at_its_frame(lab: tuple[str, Store], page: Any) -> None:
    page.goto(f"{lab[0]}/run?preset=quick")
    for key in ("form_method", "form_epochs"):
        page.locator(f".st-key-{key} input").focus()
        page.wait_for_function(FRAME)


def test_numbers_of_a_run_stand_two_in_a_row_on_a_phone(lab: tuple[str, Store], page: Any) -> None:
    address, store = lab
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(f"{address}/run?run={fake_runs.write(store)}")
    numbers = page.locator("[data-testid=stMetric]")
    numbers.nth(5).wait_for()
    first, second = numbers.nth(0).bounding_box(), numbers.nth(1).bounding_box()
    assert first["y"] == second["y"] and first["x"] < second["x"] < 400
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
    assert page.locator("[data-testid=stMetricValue] *").evaluate_all(cut) == []


def test_paper_has_dark_ink_in_the_dark_theme(lab: tuple[str, Store], chromium: Any) -> None:
    address, store = lab
    page = chromium.new_context(color_scheme="dark").new_page()
    page.goto(f"{address}/run?run={fake_runs.write(store)}")
    page.wait_for_function(READY, timeout=browser.PATIENCE)
    ink = "() => ['h1', '.gtitle', '.xtick text'].map(one => getComputedStyle(document.querySelector(one))).map(s => [s.color, s.fill])"
    assert "rgb(27, 36, 48)" not in str(page.evaluate(ink))
    page.emulate_media(media="print", color_scheme="dark")
    (title, _), *words = page.evaluate(ink)
    assert title == "rgb(27, 36, 48)" and {fill for _, fill in words} == {"rgb(27, 36, 48)"}
    page.context.close()


def test_a_run_that_is_deleted_while_its_page_is_open_is_said_to_be_gone(lab: tuple[str, Store], page: Any) -> None:
    address, store = lab
    run_id = fake_runs.write(store)
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(READY)
    store.delete(run_id)
    page.locator(".st-key-x input").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("This run cannot be shown").wait_for()
    page.get_by_role("link", name="All runs").click()
    page.get_by_role("heading", name="Runs", level=1).wait_for()


def test_a_zip_of_images_is_uploaded_by_a_press(lab: tuple[str, Store], page: Any, tmp_path: Path) -> None:
    page.goto(f"{lab[0]}/run?preset=quick&dataset=images:")
    button = page.locator("[data-testid=stFileUploaderDropzone] button").first
    for content, said in ((b"no zip", "pictures.zip:"), (hostile_images.zip_of(tmp_path / "whole.zip").read_bytes(), "")):
        (tmp_path / "pictures.zip").write_bytes(content)
        with page.expect_file_chooser() as chooser:
            button.click()
        chooser.value.set_files(tmp_path / "pictures.zip")
        if said:
            page.get_by_text(said).wait_for()
    page.wait_for_function("() => /dataset=images(:|%3A)./.test(location.search)")
