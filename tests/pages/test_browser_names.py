"""Names are text: a run and an ablation whose every word is an attack, looked at on every page of the real app."""

from __future__ import annotations

from pathlib import Path

import browser
import fake_runs
import pytest

from appcore.storage.store import Store

ATTACK = (
    "<script>window.hacked=1</script><img src=x onerror=window.hacked=1> ![p](http://evil.invalid/p.png) "
    "[c](javascript:window.hacked=1) $\\href{javascript:window.hacked=1}{m}$ </style></script>"
)
PAGES = ("", "run?run={0}", "compare?runs={0},{1}", "masks?runs={0}", "runs?runs={0}", "export?run={0}", "stream?runs={0},{1}", "ablations")
PAGES += ("ablations?sweep={2}", "what_if?run={0}")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")
def test_no_name_is_ever_markup_on_any_page(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    store = Store(tmp_path / "runs.db")
    first = fake_runs.write(store, title=ATTACK, status="failed", until=30, pruner="snip")
    second = fake_runs.write(store, title=ATTACK, pruner="magnitude")
    store.update(first, tags=[ATTACK[:40], "<i>"], note=ATTACK, error=ATTACK, notes=[ATTACK], traceback=ATTACK)
    sweep = store.ablations.create(ATTACK, {"dataset": "digits"}, {"seed": [0, 1]})
    store.ablations.add_runs(sweep, [first, second])
    with browser.app(tmp_path) as address, sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        page = chromium.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.set_default_timeout(browser.PATIENCE)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append("evil: a dialog"))
        seen = []
        for path in PAGES:
            page.goto(f"{address}/{path.format(first, second, sweep)}")
            page.locator("h1").first.wait_for()
            page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
            page.wait_for_timeout(1500)  # what comes later: fragments, charts
            assert page.evaluate("() => window.hacked") is None, path
            assert page.locator("a[href^='javascript:']").count() == 0, path
            assert page.locator("img[src*='evil.invalid']").count() == 0, path
            if page.get_by_text("window.hacked").count():
                seen.append(path)
        chromium.close()
    assert [url for url in asked if "evil" in url] == []
    assert len(seen) >= 4, seen  # it was there to be seen, as text
