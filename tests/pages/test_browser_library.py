"""In a browser: an ablation from its form to its table, a bundle out and in again, a report opened from disk without a network."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import browser
import fake_runs
import pytest
from test_browser import address, chromium, page, store

from appcore.storage.store import Store

__all__ = ["address", "chromium", "page", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]
MEASURED = ["density_mask", "density_alive", "train_accuracy", "val_accuracy", "test_accuracy", "cer", "test_errors", "order_hash"]


def choose(page: Any, key: str, word: str) -> None:
    """Add a value to a field of many, by keyboard alone."""
    field = page.locator(f".st-key-{key} input").last
    field.fill(word)
    page.get_by_role("option", name=word, exact=False).first.wait_for()
    field.press("Enter")
    page.locator(f".st-key-{key}").get_by_text(word).first.wait_for()
    page.keyboard.press("Escape")


def type_into(page: Any, key: str, text: str) -> None:
    field = page.locator(f".st-key-{key} input")
    field.fill(text)
    field.press("Enter")


@pytest.mark.slow
def test_an_ablation_of_two_pruners_by_two_seeds_is_started_and_its_table_read(address: str, store: Store, page: Any) -> None:
    page.goto(f"{address}/ablations")
    page.get_by_role("heading", name="Ablations").wait_for()
    for label in ("Network", "Training images at most", "Megabatches (T)", "Epochs per megabatch"):
        choose(page, "vary", label)
    choose(page, "axis-arch", "mlp")
    for name, text in (("limit_train", "200"), ("megabatches", "2"), ("epochs", "1"), ("seed", "0-1")):
        type_into(page, f"axis-{name}", text)
    page.get_by_role("button", name="Start 4 runs").click()
    page.wait_for_url("**sweep=**")
    page.get_by_text("4 of 4 runs done").wait_for()
    second = page.context.new_page()  # a shared link
    second.goto(f"{page.url}&view=Table")
    second.get_by_text("mean ± standard deviation over seeds").wait_for()
    rows = second.locator("[data-testid=stDataFrame] table tbody tr")
    rows.first.wait_for(state="attached")  # the table that screen readers see; what is painted is a canvas
    text = [[cell.strip() for cell in row.locator("td").all_text_contents()] for row in rows.all()]
    for words in text:
        runs = [run["run_id"] for run in store.runs() if run["pruner"] in " ".join(words).lower()]
        ends = 100 * store.megabatches(runs, newest=True)["test_accuracy"]
        assert len(runs) == 2
        assert float(words[3]) == pytest.approx(ends.mean(), abs=0.01)
    assert len(text) == 2
    assert {run["config"]["arch"] for run in store.runs()} == {"mlp"}


@pytest.mark.slow
def test_a_bundle_goes_out_is_deleted_and_comes_back_with_the_same_numbers(address: str, store: Store, page: Any, tmp_path: Path) -> None:
    from appcore.config import build
    from appcore.planning import plan
    from appcore.runner import driver

    config = build({"arch": "mlp", "limit_train": 200, "limit_test": 60, "megabatches": 2, "epochs": 1})
    run_id = store.create_run(config, plan_length=len(plan.plan(config)), title="<b>mine</b>")
    assert driver.drive(store, run_id) == "done"
    before = store.megabatches(run_id)[MEASURED], store.layers(run_id), store.get(run_id)["hashes"]
    page.goto(f"{address}/runs?runs={run_id}")
    page.locator(".st-key-download button").first.click()
    with page.expect_download() as download:
        page.locator(".st-key-get-bundle button").first.click()
    download.value.save_as(tmp_path / "bundle.zip")
    page.keyboard.press("Escape")
    page.locator(".st-key-delete button").first.click()
    page.get_by_text("1 run goes").wait_for()
    assert store.runs()
    page.locator(".st-key-delete-yes button").first.click()
    page.get_by_text("No runs yet").wait_for()
    assert store.runs() == []
    page.locator(".st-key-import button").first.click()
    page.locator("[data-testid=stFileUploader] input").first.set_input_files(tmp_path / "bundle.zip")
    page.get_by_text("1 run", exact=True).wait_for()
    after = store.megabatches(run_id)[MEASURED], store.layers(run_id), store.get(run_id)["hashes"]
    assert before[0].equals(after[0])
    assert before[1].equals(after[1])
    assert before[2] == after[2]


@pytest.mark.slow
def test_settings_from_a_file_fill_the_form_and_start_nothing(address: str, store: Store, page: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"config": {"pruner": "magnitude", "seed": 7}}')
    page.goto(f"{address}/runs")
    page.locator(".st-key-import button").first.click()
    page.locator("[data-testid=stFileUploader] input").first.set_input_files(tmp_path / "mine.json")
    page.get_by_role("heading", name="New run").wait_for()
    page.wait_for_function("() => document.querySelector('.st-key-form_seed input')?.value === '7'")
    assert store.runs() == []


@pytest.mark.slow
def test_a_report_shows_its_charts_from_disk_without_a_network(address: str, store: Store, page: Any, tmp_path: Path) -> None:
    pair = [fake_runs.write(store, pruner=pruner, title="<i>one</i>") for pruner in ("snip", "magnitude")]
    page.goto(f"{address}/runs?runs={','.join(pair)}")
    page.locator(".st-key-download button").first.click()
    with page.expect_download() as download:
        page.locator(".st-key-get-report button").first.click()
    download.value.save_as(tmp_path / "report.html")
    context = page.context.browser.new_context(offline=True)
    asked: list[str] = []
    trouble: list[str] = []
    report = context.new_page()
    report.on("request", lambda request: asked.append(request.url))
    report.on("pageerror", lambda error: trouble.append(str(error)))
    report.goto((tmp_path / "report.html").as_uri())
    report.wait_for_function("() => document.body.dataset.drawn === '6'")
    drawn = report.evaluate(
        "() => [...document.querySelectorAll('.chart')].map(c => c.querySelectorAll('.trace, .hm image, .point').length)"
    )
    assert len(drawn) == 6
    assert all(drawn)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert trouble == []
    assert report.get_by_text("<i>one</i>").count() >= 2
    context.close()


@pytest.mark.slow
def test_ticked_rows_stand_in_the_address_also_after_another_run_has_come(address: str, store: Store, page: Any) -> None:
    first, second = (fake_runs.write(store, pruner=pruner) for pruner in ("snip", "magnitude"))
    page.goto(f"{address}/runs")
    table = page.locator("[data-testid=stDataFrame]")
    table.locator("canvas").first.wait_for()
    tick = partial(table.click, position={"x": 18, "y": 52})  # the newest
    browser.insist(page, tick, f"() => location.search.endsWith('runs={second}')")
    third = fake_runs.write(store, seed=7)
    page.get_by_text("3 runs", exact=True).wait_for()  # another list, another table, the pick kept
    rows = "[...document.querySelectorAll('[data-testid=stDataFrame] [role=grid]')].map(grid => grid.ariaRowCount)"
    page.wait_for_function(f"() => {rows}.join() === '4'")  # the old one has gone
    assert page.url.endswith(f"runs={second}")
    browser.insist(page, tick, f"() => ['{second}', '{third}'].every(run => location.search.includes(run))")
    assert first not in page.url
