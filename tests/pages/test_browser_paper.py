"""In a browser: a chart as PDF, SVG, PNG and CSV for a paper, in the right size and under a speaking name."""

from __future__ import annotations

import csv
import re
import struct
from pathlib import Path
from typing import Any

import browser
import fake_runs
import pytest
from test_browser import READY, address, chromium, page, store

from appcore.storage.store import Store

__all__ = ["address", "chromium", "page", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]


def opened(page: Any, chart: str) -> Any:
    """The panel of a chart."""
    place = page.locator(f".st-key-{chart}")
    place.scroll_into_view_if_needed()
    browser.insist(page, place.locator(".save").click, f"() => !document.querySelector('.st-key-{chart} .panel').hidden")
    return place.locator(".panel:not(.about)")


def saved(page: Any, panel: Any, kind: str) -> Path:
    with page.expect_download() as download:
        panel.locator(f"button[name={kind}]").click()
    path = Path(download.value.path())
    return path.rename(path.with_name(download.value.suggested_filename))


@pytest.mark.slow
def test_a_chart_for_a_paper(address: str, store: Store, page: Any) -> None:
    pair = [fake_runs.write(store, pruner=pruner, megabatches=3) for pruner in ("snip", "magnitude")]
    page.goto(f"{address}/compare?runs={','.join(pair)}")
    page.wait_for_function(READY)
    panel = opened(page, "compare-accuracy")
    narrow = saved(page, panel, "pdf")
    assert narrow.name == f"compare_accuracy_{pair[0][-4:]}-{pair[1][-4:]}.pdf"
    content = narrow.read_bytes()
    size = [float(number) for number in re.search(rb"/MediaBox \[([^]]*)\]", content)[1].split()]
    assert size[2] == pytest.approx(3.3 * 72, abs=0.1) and 1.5 * 72 < size[3] < 3.3 * 72
    assert content.startswith(b"%PDF-") and b"/FontFile" in content  # text stays text

    panel.locator("[name=width]").select_option("6.9")
    panel.locator("[name=font]").fill("9.5")
    panel.locator("[name=title]").check()
    drawing = saved(page, panel, "svg").read_text(encoding="utf-8")
    assert 'width="6.9000in"' in drawing and "How accurate is it?" in drawing
    assert max(map(float, re.findall(r"font-size: ([\d.]+)px", drawing))) == pytest.approx(17 * 9.5 / 72 * 96 / 13, rel=0.01)  # the title
    png = saved(page, panel, "png").read_bytes()
    assert struct.unpack(">I", png[16:20])[0] == pytest.approx(6.9 * 300, abs=2)

    rows = list(csv.reader(saved(page, panel, "csv").read_text(encoding="utf-8").splitlines()))
    assert {"SNIP", "Magnitude"} < set(rows[0]) and "ccuracy, %" in rows[0][0]
    epochs = store.epochs([pair[0]])
    assert float(rows[1][rows[0].index("SNIP")]) == pytest.approx(100 * epochs["val_accuracy"].iloc[0], rel=1e-5)
    assert len(rows) > len(epochs)

    page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.slow
def test_the_i_beside_a_title_says_how_to_read_and_leads_to_the_glossary(address: str, store: Store, page: Any) -> None:
    run_id = fake_runs.write(store, megabatches=2)
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(READY)
    place = page.locator(".st-key-accuracy-chart")
    place.scroll_into_view_if_needed()
    browser.insist(page, place.locator(".info").click, "() => !document.querySelector('.st-key-accuracy-chart .about').hidden")
    words = place.locator(".about").inner_text()
    assert "To read it:" in words and "Surprising:" in words
    title, mark = (place.locator(name).bounding_box() for name in (".gtitle", ".info"))
    assert 0 < mark["x"] - (title["x"] + title["width"]) < 20  # right behind the title
    link = place.locator(".about a", has_text="prune point").get_attribute("href")
    page.goto(f"{address}/{link}")
    page.locator(".st-key-asked").get_by_text("The moment at which").wait_for()


@pytest.mark.slow
def test_conditions_and_columns_stay_in_the_address(address: str, store: Store, page: Any) -> None:
    for seed in range(3):
        fake_runs.write(store, megabatches=2, epochs=1, seed=seed)
    page.goto(f"{address}/runs")
    field = page.locator(".st-key-q input")
    field.fill("seed<2 sparsity>10")
    field.press("Enter")
    page.get_by_text("2 of 3 runs").wait_for()
    page.wait_for_function("() => location.search.includes('seed')")
    page.goto(f"{page.url}&columns=tau")
    page.locator("[data-testid=stDataFrame] th", has_text="Tau").first.wait_for(state="attached")
    page.get_by_text("2 of 3 runs").wait_for()
    page.wait_for_function("() => location.search.includes('columns=Tau')")
