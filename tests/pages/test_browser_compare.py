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
