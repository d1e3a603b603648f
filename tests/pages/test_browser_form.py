"""The form in the address, a run that is kept from bar to bar, and what a projector, a phone and paper show: in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import browser
import fake_runs
import pytest
from test_browser import chromium, page

from appcore.storage.store import Store

__all__ = ["chromium", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """(address of the app, runs by name): one app for all tests of this file."""
    folder = tmp_path_factory.mktemp("form")
    store = Store(folder / "runs.db")
    others = ("random", "synflow", "grasp", "taylor")
    twelve = ",".join(fake_runs.write(store, pruner=pruner, seed=seed) for pruner in others for seed in range(3))
    runs = {pruner: fake_runs.write(store, pruner=pruner, group="pair", title=f"The {pruner}") for pruner in ("magnitude", "snip")}
    runs["twelve"] = twelve
    runs["failed"] = fake_runs.write(store, until=20, status="failed", title="Too fast", lr=100.0)
    store.update(runs["failed"], error="the training diverged in megabatch 1, epoch 2; try a smaller lr than 100")
    runs["sweep"] = store.ablations.create("Two criteria", {}, {"pruner": ["snip", "magnitude"], "seed": [0, 1]})
    store.ablations.add_runs(runs["sweep"], [runs["snip"], runs["magnitude"]])
    with browser.app(folder) as address:
        yield address, runs


WHOLE = """() => [...document.querySelectorAll('.chart')].some(chart => {
  const box = chart.getBoundingClientRect();
  return chart.dataset.updates && box.height > 150 && box.top >= 48 && box.bottom <= 720 })"""


def seed(page: Any, value: str) -> None:
    """Wait until the form shows this seed."""
    page.wait_for_function("value => document.querySelector('.st-key-form_seed input')?.value === value", arg=value)


def titled(page: Any, title: str) -> None:
    page.get_by_role("heading", name=title, level=1).wait_for()


def press(page: Any, bar: str, name: str, title: str) -> None:
    """Follow a link of a bar until its page is there."""
    is_bare = bar == "pages"  # the others have icons, whose names are read too
    link = page.locator(f".st-key-{bar}").get_by_role("link", name=name, exact=is_bare).first
    browser.insist(page, link.click, f"() => [...document.querySelectorAll('h1')].some(one => one.textContent.includes({title!r}))")


@pytest.mark.slow
def test_a_form_is_the_same_after_reload_back_forward_and_in_a_copied_link(lab: tuple[str, dict], page: Any) -> None:
    page.goto(f"{lab[0]}/run?preset=lottery-lenet-small&sparsity=90&epochs=many")
    seed(page, "0")
    page.get_by_text("epochs: 'many' is not possible").wait_for()  # what cannot be used is said, the rest counts
    page.get_by_text("tau 10.32").wait_for()
    field = page.locator(".st-key-form_seed input")
    browser.insist(page, lambda: (field.fill("7"), field.press("Enter")), "() => location.search.includes('seed=7')")
    browser.insist(page, lambda: (field.fill("8"), field.press("Enter")), "() => location.search.includes('seed=8')")
    assert "epochs" not in page.url and "preset=lottery-lenet-small" in page.url and "sparsity=90" in page.url
    page.go_back()
    seed(page, "7")
    page.go_forward()
    seed(page, "8")
    page.reload()
    seed(page, "8")
    copied = page.context.new_page()
    copied.goto(page.url)
    seed(copied, "8")
    copied.get_by_text("tau 10.32").wait_for()
    assert copied.url == page.url


@pytest.mark.slow
def test_a_run_is_kept_from_bar_to_bar(lab: tuple[str, dict], page: Any) -> None:
    address, runs = lab
    older = runs["magnitude"]
    page.goto(f"{address}/run?run={older}")
    titled(page, "The magnitude")
    press(page, "of-run", "Masks", "Masks: where")
    assert f"run={older}" in page.url
    press(page, "pages", "Export", "Export")
    assert f"run={older}" in page.url
    press(page, "pages", "What if", "What would")
    assert f"run={older}" in page.url
    press(page, "of-run", "Curves", "The magnitude")
    press(page, "of-run", "Compare with …", "Compare")
    assert f"runs={older}" in page.url


@pytest.mark.slow
def test_run_in_the_bar_always_leads_to_the_form(lab: tuple[str, dict], page: Any) -> None:
    address, runs = lab
    page.goto(f"{address}/run?run={runs['snip']}")
    titled(page, "The snip")
    press(page, "pages", "Run", "New run")
    assert "run=" not in page.url.partition("?")[2]
    page.reload()
    titled(page, "New run")
    assert page.get_by_role("heading", name="The snip").count() == 0


@pytest.mark.slow
def test_a_failed_run_is_changed_and_run_again(lab: tuple[str, dict], page: Any) -> None:
    address, runs = lab
    page.goto(f"{address}/run?run={runs['failed']}")
    titled(page, "Too fast")
    link = page.get_by_role("link", name="Change and run again")
    browser.insist(page, link.first.click, "() => location.search.includes('lr=100')")
    titled(page, "New run")
    mark = page.get_by_text("it failed: the training diverged")
    mark.wait_for(state="attached")
    field = page.locator(".st-key-form_lr input")
    browser.insist(page, lambda: (field.fill("0.03"), field.press("Enter")), "() => location.search.includes('lr=0.03')")
    mark.wait_for(state="detached")  # it is another value now


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "run?run={snip}",
        "run?run={failed}",
        "compare?runs={snip},{magnitude}",
        "compare?runs={twelve}",
        "ablations?sweep={sweep}",
        "what_if?arch=ResNet-20",
    ],
)
def test_a_projector_shows_a_whole_chart_without_scrolling(lab: tuple[str, dict], chromium: Any, path: str) -> None:
    address, runs = lab
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(f"{address}/{path.format(**runs)}&projector=1")
    page.wait_for_function(WHOLE, timeout=browser.PATIENCE)
    context.close()


@pytest.mark.slow
def test_the_projector_stays_on_when_a_button_leads_to_another_page(lab: tuple[str, dict], chromium: Any) -> None:
    """`st.switch_page` forgets all elements: whoever had started a pair before an audience saw Compare in small type."""
    context = chromium.new_context(viewport={"width": 1280, "height": 2000})
    page = context.new_page()
    page.goto(f"{lab[0]}/stream?dataset=digits&projector=1")
    page.locator(".st-key-stream_to_run button:visible").first.click(timeout=browser.PATIENCE)
    titled(page, "New run")
    page.wait_for_url("**/run?**projector=1**", timeout=browser.PATIENCE)
    assert page.locator(".st-key-projector input").is_checked()
    context.close()


def test_a_phone_has_all_pages_in_the_bar_and_paper_no_buttons(lab: tuple[str, dict], chromium: Any) -> None:
    address, runs = lab
    context = chromium.new_context(viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.goto(f"{address}/run?run={runs['snip']}")
    titled(page, "The snip")
    bar = page.locator(".st-key-pages")
    bar.get_by_role("link", name="Export", exact=True).wait_for(state="attached")
    assert bar.is_visible() and bar.get_by_role("link").count() >= 9
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth <= window.innerWidth")
    press(page, "pages", "Export", "Export")  # at the end of the bar, which scrolls
    page.emulate_media(media="print")
    assert not bar.is_visible() and page.locator("[data-testid=stButton]:visible").count() == 0
    context.close()
