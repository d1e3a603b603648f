"""In a browser, at the first start of all: the gallery stands before the store has its runs, and a press on a picture leads to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from test_browser import READY, chromium

from appcore.recordings import catalog, shipped
from appcore.service import recorded
from appcore.storage.store import Store

__all__ = ["chromium"]  # fixture
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]
COMPLETE = [picture for picture in catalog.GALLERY if set(shipped.pictures().get(picture.name, ())) == set(picture.curves)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(recorded.VARIABLE, "on")
        with browser.app(folder) as address:
            yield address


@pytest.mark.slow
@pytest.mark.skipif(not COMPLETE, reason="not recorded yet")
def test_the_first_page_has_pictures_and_each_leads_to_its_runs(address: str, folder: Path, chromium: Any) -> None:
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(browser.PATIENCE)
    page.goto(address)
    card = page.locator(f".st-key-picture-{COMPLETE[0].name}")
    card.locator("img").wait_for()
    page.wait_for_function("[...document.querySelectorAll('.small-picture')].every((one) => one.complete && one.naturalWidth > 100)")
    assert page.locator(".small-picture").count() == len(COMPLETE)
    # Anywhere on the card, not on its title alone.
    browser.insist(page, lambda: card.locator("img").click(force=True), "location.pathname.endsWith('/compare')")
    page.locator("[role=list][aria-label='Runs on this page'] .run").first.wait_for()
    assert "Recorded" in page.locator(".rail").inner_text()
    page.wait_for_function(READY)
    store = Store(folder / "runs.db")
    assert set(store.recorded()) == set(shipped.runs())
    assert not store.runs()
    page.context.close()
