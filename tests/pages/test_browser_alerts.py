"""In a browser: the switch asks for leave, is remembered, and tells of runs that end while they are watched, and of no others."""

from __future__ import annotations

from typing import Any

import browser
import fake_runs
import pytest
from hostile_text import ATTACK
from test_browser import address, chromium, page, store

from appcore.storage.store import Store

__all__ = ["address", "chromium", "page", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]
# In the place of the desktop: what would be shown, and what people answer when they are asked.
DESKTOP = """
window.shown = [];
window.Notification = class {
  constructor(title, options) { window.shown.push({ title, ...options }); window.last = this; }
  close() { this.isClosed = true; }
  static get permission() { return localStorage.getItem('answer') ?? 'default'; }
  static async requestPermission() { localStorage.setItem('answer', window.answers); return window.answers; }
};
window.answers = 'denied';
"""
SWITCH = ".alerts input"


@pytest.mark.slow
def test_runs_that_end_while_they_are_watched_are_told(address: str, store: Store, page: Any) -> None:
    over = fake_runs.write(store, title="Long over")
    runs = [fake_runs.keep_alive(store, fake_runs.write(store, until=20, status="running", title=title)) for title in (ATTACK[:150], "Two")]
    page.add_init_script(DESKTOP)
    page.goto(f"{address}/run?run={runs[0]}")
    page.locator(SWITCH).wait_for()
    assert not page.locator(SWITCH).is_checked()
    browser.insist(page, page.locator(SWITCH).click, "() => document.querySelector('.alerts output').textContent.includes('forbids')")
    assert not page.locator(SWITCH).is_checked()
    page.evaluate("() => { window.answers = 'granted' }")
    browser.insist(page, page.locator(SWITCH).check, "() => localStorage.getItem('pruning-lab.alerts') === 'on'")
    store.update(runs[0], status="failed", error="it *broke*")
    page.wait_for_function("() => window.shown.length")
    assert page.evaluate("() => window.shown") == [{"title": ATTACK[:150], "body": "Failed: it *broke*", "tag": runs[0]}]
    page.locator(SWITCH).wait_for(state="hidden")
    page.evaluate("() => window.last.onclick()")
    assert page.evaluate("() => window.last.isClosed")

    page.goto(f"{address}/compare?runs={','.join([over, *runs])}")
    page.locator(SWITCH).wait_for()
    assert page.locator(SWITCH).is_checked() and page.evaluate("() => window.shown") == []
    store.update(runs[1], status="done")
    page.wait_for_function("() => window.shown.length")
    assert page.evaluate("() => window.shown") == [{"title": "Two", "body": "Done", "tag": runs[1]}]
    assert page.locator("[data-testid=stException]").count() == 0
