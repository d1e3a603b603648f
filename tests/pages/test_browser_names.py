"""What comes from a file, a name or an address is text: two imported runs whose every string is an attack, looked at on every page of
the real app, in reports and exports, with the attack in every parameter of the address, as a data set's names and as a file's name."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import browser
import fake_runs
import hostile_images
import pytest
from hostile_bundles import add
from hostile_text import ATTACK, TOOK_EFFECT, every_string

from appcore.cli.main import main
from appcore.runner import driver
from appcore.storage.store import Store
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle

PAGES = ("", "run?run={0}", "run?run={3}", "run?run={4}", "compare?runs={0},{1},{2}", "compare?runs={0},{1}", "masks?run={0}&against={1}")
PAGES += (
    "runs?runs={0}",
    "runs?runs={0},{1}",
    "export?run={0}",
    "stream?runs={0},{1}",
    "stream?from={0}",
    "ablations",
    "ablations?base={0}",
)
PAGES += ("ablations?sweep={5}", "what_if?run={0}", "what_if?run={2}")
REFLECTED = ("run?run=", "compare?runs=", "masks?run=", "masks?run={0}&against=", "export?run=", "ablations?sweep=", "ablations?base=")
REFLECTED += ("what_if?run=", "what_if?arch=", "stream?runs=", "stream?from=", "stream?dataset=", "stream?megabatches=", "stream?view=")
REFLECTED += (
    "runs?runs=",
    "runs?q=",
    "runs?by=",
    "stream?data=",
    "run?run={0}&x=",
    "compare?runs={0},{1}&metric=",
    "compare?runs={0},{1}&first=",
)
UNFOLD = "() => document.querySelectorAll('[data-testid=stExpander] details:not([open]) > summary').forEach(one => one.click())"
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


@pytest.fixture(scope="module")
def runs(place: Path) -> list[str]:
    """Ids: two imported runs, one whose labels are attacks, a failed one, one of a data set with such names, an ablation."""
    store, source = Store(place / "runs.db"), Store(place / "source" / "runs.db")
    found = []
    for seed in (1, 2):
        run_id = add(source, seed=seed)
        assert driver.drive(source, run_id) == "done"
        bundle = Path(export(source, run_id, place / f"out-{seed}")[-1])
        found.append(import_bundle(store, every_string(bundle, place / f"hostile-{seed}.zip")))
    labelled = fake_runs.write(store, title=ATTACK)
    failed = fake_runs.write(store, title=ATTACK, status="failed", until=30)
    store.update(labelled, tags=[ATTACK[:40], "<i>", "=1+1", "me@evil.invalid"], note=ATTACK)
    store.update(failed, error=ATTACK, notes=[ATTACK], traceback=ATTACK)
    sweep = store.ablations.create(ATTACK, {"dataset": f"images:{ATTACK}"}, {"seed": [0, 1], "arch": ["mlp", ATTACK]})
    store.ablations.add_runs(sweep, found)
    return [*found, labelled, failed, _of_named_images(store, place), sweep]


def _of_named_images(store: Store, place: Path) -> str:
    """A run on images whose classes and files have such names: it fails, and says of which file."""
    word = "www.evil.invalid :material,skull: [c](http:,,evil.invalid) me@evil.invalid =1+1 :pizza: <b>".replace(",", "\u2215")
    files = {f"{split}/{word}{name}/{word}.png": data for (split, name), data in _pictures()}
    path = place / f"{word}.zip"
    path.write_bytes(hostile_images.zip_of(place / "plain.zip", files | {f"train/{word}a/broken{word}.png": b"no image"}).read_bytes())
    run_id = add(store, dataset=f"images:{path}", limit_train=0, limit_test=0)
    assert driver.drive(store, run_id) == "failed"
    return run_id


def _pictures() -> Iterator[tuple[tuple[str, str], bytes]]:
    for name, data in hostile_images.two_classes().items():
        split, label, _ = name.split("/")
        yield (split, label[:1]), data


@pytest.fixture(scope="module")
def address(place: Path, runs: list[str]) -> Iterator[str]:
    with browser.app(place) as found:
        yield found


@pytest.fixture
def asked() -> list[str]:
    """Every address that the browser asked for."""
    return []


@pytest.fixture
def page(asked: list[str]) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        context = chromium.new_context(viewport={"width": 1440, "height": 3000})
        context.set_default_timeout(browser.PATIENCE)
        context.on("request", lambda request: asked.append(request.url))
        context.on("dialog", lambda dialog: asked.append("evil: a dialog"))
        yield context.new_page()
        chromium.close()


def look(page: Any, urls: list[str]) -> Iterator[tuple[str, Any]]:
    """Open pages, some at a time; of each wait until it stands still, open all folded parts, and find nothing in it."""
    tabs = [page, *(page.context.new_page() for _ in range(4))]
    for start in range(0, len(urls), len(tabs)):
        opened = [*zip(urls[start:], tabs, strict=False)]
        for url, tab in opened:
            tab.goto(url)
        for _, tab in opened:
            tab.locator("h1").or_(tab.get_by_text("cannot be shown", exact=False)).first.wait_for()
            tab.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
            tab.locator("[data-test-script-state=notRunning]").wait_for()
        page.wait_for_timeout(1500)  # what comes later: fragments, charts
        for _, tab in opened:
            tab.evaluate(UNFOLD)
        page.wait_for_timeout(300)
        for url, tab in opened:
            assert tab.evaluate(TOOK_EFFECT) == [], url
            yield url, tab


def test_no_string_of_a_bundle_is_markup_on_any_page(address: str, runs: list[str], page: Any, asked: list[str]) -> None:
    looked = look(page, [f"{address}/{path.format(*runs)}" for path in PAGES])
    seen = [url for url, tab in looked if tab.get_by_text("window.hacked").count()]
    assert [url for url in asked if "evil" in url.partition("?")[0]] == []
    assert len(seen) >= 10, seen  # it was there to be seen, as text


def test_no_parameter_of_the_address_is_markup(address: str, runs: list[str], page: Any, asked: list[str]) -> None:
    looked = [*look(page, [f"{address}/{path.format(*runs)}{quote(ATTACK)}" for path in REFLECTED])]
    assert len(looked) == len(REFLECTED)
    assert [url for url in asked if "evil" in url.partition("?")[0]] == []


def test_no_name_of_an_uploaded_file_is_markup(address: str, page: Any, asked: list[str]) -> None:
    page.goto(f"{address}/runs")
    page.locator(".st-key-import button").first.click()
    name = "![p](http:evil.invalid) www.evil.invalid me@evil.invalid :material :pizza: **bold**.zip"
    page.locator("[data-testid=stFileUploader] input").first.set_input_files(
        [{"name": name, "mimeType": "application/zip", "buffer": b"x"}]
    )
    page.get_by_text("![p](http:evil.invalid)", exact=False).first.wait_for()
    page.get_by_text("cannot be read", exact=False).or_(page.get_by_text("can be read", exact=False)).first.wait_for()
    assert page.evaluate(TOOK_EFFECT) == []
    assert [url for url in asked if "evil" in url] == []


def test_charts_and_their_tables_show_names_as_text(address: str, runs: list[str], page: Any) -> None:
    page.goto(f"{address}/compare?runs={runs[0]},{runs[1]}")
    chart = page.locator(".st-key-difference-map .frame").first
    chart.scroll_into_view_if_needed()
    chart.locator(".ytick text").first.wait_for()
    chart.locator(".switch").click()
    table = chart.locator(".table")
    table.get_by_text("<script>window hacked=1</script>", exact=False).first.wait_for()  # dots part the words of a layer's name
    assert "&lt;" not in table.inner_text() and page.evaluate(TOOK_EFFECT) == []


def test_reports_and_exports_hold_no_markup(address: str, place: Path, runs: list[str], page: Any, asked: list[str]) -> None:
    store = Store(place / "runs.db")
    from appcore.ui.widgets.run_files import _report

    for number, chosen in enumerate((runs[:1], runs[:2], runs[2:4])):
        report = place / f"report-{number}.html"
        report.write_text(_report(store, chosen), encoding="utf-8")
        page.goto(report.as_uri())
        page.wait_for_function("() => Number(document.body.dataset.drawn) >= 5")
        page.evaluate("() => document.querySelectorAll('details:not([open]) > summary').forEach(one => one.click())")
        assert page.evaluate(TOOK_EFFECT) == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_no_cell_of_a_table_is_a_formula(place: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.transfer import tables

    store = Store(place / "runs.db")
    monkeypatch.setenv("APPCORE_STORE", str(place / "runs.db"))
    assert main(["export", runs[0], "--to", str(place / "exported")]) == 0
    with zipfile.ZipFile(io.BytesIO(tables.packed(tables.tables(store, runs[:5]), "csv"))) as file:
        texts = [file.read(name).decode() for name in file.namelist()]
    texts += [path.read_text() for path in (place / "exported").glob("*.csv")]
    assert len(texts) >= 9
    for text in texts:
        for delimiter in (",", ";", "\t"):
            for row in csv.reader(io.StringIO(text), delimiter=delimiter):
                assert not [cell for cell in row if cell[:1] in tuple("=@+-") and not _is_number(cell)], delimiter


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_the_terminal_shows_no_control_characters(place: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    store = Store(place / "runs.db")
    store.update(runs[2], dataset="images:\x1b]0;evil\x07\x1b[31m\u202e")
    monkeypatch.setenv("APPCORE_STORE", str(place / "runs.db"))
    assert main(["list"]) == 0 and main(["show", runs[0]]) == 0
    found = capsys.readouterr()
    assert "\x1b" not in found.out + found.err and "\u202e" not in found.out and "evil" in found.out
