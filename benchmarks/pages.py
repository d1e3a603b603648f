"""How fast every page is with 200 runs in the store while two train, and how much longer a run takes with its page open.

    python benchmarks/pages.py [--runs 200] [--rounds 3] [--pairs 2]

Seconds in headless Chromium, median (lowest to highest). Writes pages.md beside itself. A page is painted when its title is there and
nothing is a placeholder any more, in a browser that has been here before; a click is the one on the page's link in the bar, until the
next page is painted.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import browser  # noqa: E402
import fake_runs  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from appcore.config import build  # noqa: E402
from appcore.planning.plan import plan  # noqa: E402
from appcore.storage.store import Store  # noqa: E402
from appcore.ui.app import page_files  # noqa: E402

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))  # as people's own app; apps of tests have one thread
IMAGES = ROOT.parent / "shared" / "data" / "cifar10-small.zip"

PAINTED = """() => document.querySelector('h1') && !document.querySelector('[data-testid=stSkeleton]')
  && document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'initial'"""
START, *OTHERS = page_files.found().values()
PAGES = {file.title: file.name for file in OTHERS}


def painted(page: Any, act: Any) -> float:
    """Seconds from an action until its page is painted."""
    begun = time.perf_counter()
    act()
    page.wait_for_function(PAINTED, polling=20)
    return time.perf_counter() - begun


def pages(address: str, store: Store, chromium: Any, rounds: int) -> dict[str, list[float]]:
    """First paint of each address, and clicks between pages, while a run trains."""
    found: dict[str, list[float]] = {}
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    _start_pair(address, store, page)
    page.wait_for_timeout(15_000)  # torch is imported and the pair trains
    for turn in range(rounds + 1):
        for name, path in {START.title: "", **PAGES}.items():
            tab = context.new_page()
            seconds = painted(tab, lambda tab=tab, path=path: tab.goto(f"{address}/{path}", wait_until="commit"))
            if turn:
                found.setdefault(f"first paint, {name}", []).append(seconds)
            tab.close()
        for name, path in PAGES.items():
            link = page.locator(".st-key-pages").get_by_role("link", name=name, exact=True)

            def go(link: Any = link, path: str = path) -> None:
                link.click()
                page.wait_for_url(f"**/{path}**")

            seconds = painted(page, go)
            if turn:
                found.setdefault(f"click on {name}", []).append(seconds)
    context.close()
    return found


def slowdown(address: str, store: Store, chromium: Any, rounds: int) -> dict[str, list[float]]:
    """Seconds that runs take with their page open, over those with no page open, by turns."""
    found: dict[str, list[float]] = {}
    starts = {"first pair, epochs of half a second": _start_pair}
    if IMAGES.exists():
        starts["ResNet-20 on 32x32 images"] = _start_images
    for name, start in starts.items():
        ratios = []
        for turn in range(rounds + 1):
            seconds = {}
            for is_open in (False, True):
                page = chromium.new_page(viewport={"width": 1440, "height": 1000})
                run_ids = start(address, store, page)
                if not is_open:
                    page.close()
                while {store.get(run_id)["status"] for run_id in run_ids} != {"done"}:
                    time.sleep(0.5)
                seconds[is_open] = sum(store.get(run_id)["totals"]["seconds"] for run_id in run_ids)
                if is_open:
                    page.close()
            if turn:
                ratios.append(seconds[True] / seconds[False])
        found[f"{name}: time with the page open / with none, x"] = ratios
    return found


def _start_pair(address: str, store: Store, page: Any) -> list[str]:
    before = {row["run_id"] for row in store.runs()}
    page.goto(address)
    page.wait_for_function(PAINTED)
    if page.locator(".st-key-known").count():  # the same question is run once, unless it is to be run again
        page.locator(".st-key-form_again label").click()
        page.wait_for_function("() => document.querySelector('.st-key-form_again input').checked")
        page.wait_for_timeout(1000)
    page.locator(".st-key-start button").click()
    page.wait_for_url("**/compare?runs=**")
    return [row["run_id"] for row in store.runs() if row["run_id"] not in before]


def _start_images(address: str, store: Store, page: Any) -> list[str]:
    # Minutes, as such runs take: of a run of ten seconds, the load of its page (once, whatever the run) would be most of the figure.
    config = build(
        {"arch": "resnet20", "dataset": f"images:{IMAGES}", "megabatches": 3, "epochs": 24, "limit_train": 3000, "limit_test": 500}
    )
    run_id = store.create_run(config, launcher="thread", plan_length=len(plan(config)))
    store.update(run_id, status="stopped")
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(PAINTED)
    page.locator(".st-key-hold button").click()
    while store.get(run_id)["status"] == "stopped":
        time.sleep(0.1)
    return [run_id]


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=2, help="times that runs are trained with a page open and with none")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store = Store(Path(folder) / "runs.db")
        for number in range(args.runs):
            fake_runs.write(store, pruner=("snip", "magnitude", "random")[number % 3], seed=number // 3, group=f"g{number // 3}")
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        with browser.app(Path(folder)) as address:
            found = slowdown(address, store, chromium, args.pairs)
            found |= pages(address, store, chromium, args.rounds)
        store.close()
    versions = f"Python {platform.python_version()}, streamlit {metadata.version('streamlit')}"
    lines = [
        f"# How fast the pages are\n\n    python benchmarks/pages.py --runs {args.runs} --rounds {args.rounds} --pairs {args.pairs}\n",
        f"{args.runs} runs in the store, two training in the app's process on two cores. Measured on {datetime.now(UTC):%Y-%m-%d}:",
        f"{versions}, headless Chromium on the same machine: it takes its part of the two cores, which a person's",
        "own machine would do. Seconds unless x (times) is named.\n",
        "| what | median (lowest to highest) |\n|---|---|",
        *(f"| {name} | {statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f}) |" for name, v in found.items()),
    ]
    print("\n".join(lines))
    (Path(__file__).parent / "pages.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
