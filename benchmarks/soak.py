"""Runs one after another for an hour with pages open: does memory, the store or the waiting grow?

    python benchmarks/soak.py [--minutes 60] [--tabs 1]

The app is a process of its own, looked at with headless Chromium. Each run is made in the store and started on its Run page by a
press of Resume, so that the app's own trainer thread drives it and the page follows; `--tabs` other tabs show the list of runs all
the while. Writes its row into docs/RELIABILITY.md; ends with 1 when something grew.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import browser  # noqa: E402
import psutil  # noqa: E402
import tables  # noqa: E402
from playwright.sync_api import TimeoutError, sync_playwright  # noqa: E402

from appcore.config import build  # noqa: E402
from appcore.planning.plan import plan  # noqa: E402
from appcore.storage.store import Store  # noqa: E402

SETTINGS = {"arch": "mlp", "dataset": "digits", "megabatches": 3, "epochs": 20, "limit_train": 600, "limit_test": 100, "device": "cpu"}
STOOD = "reloads because the page stood still"
STILL = 30_000  # ms without what should be seen
WARM = 180.0  # seconds until as many sessions end as begin: Streamlit keeps that of a closed page for two minutes
MOST_GROWTH = 1.2  # of the last quarter over the first one after that
SAYS = "words => [...document.querySelectorAll('.stMarkdownBadge')].some(badge => words.some(word => badge.innerText.includes(word)))"


def one_run(page: Any, address: str, store: Store, app: psutil.Process, number: int) -> dict[str, float]:
    """Make a run, start it on its page, see it end; what it took, and what the app and the store have come to."""
    config = build({**SETTINGS, "seed": number})
    run_id = store.create_run(config, launcher="thread", plan_length=len(plan(config)), title=f"soak {number}")
    store.update(run_id, status="stopped")
    begun = time.perf_counter()
    page.goto(f"{address}/run?run={run_id}")
    page.wait_for_function(SAYS, arg=["Stopped"])
    opened = time.perf_counter()
    page.locator(".st-key-hold button").click()
    reloads = _until(page, ["Running", "Done"])
    running = time.perf_counter()
    while store.get(run_id)["status"] != "done":
        assert time.perf_counter() - running < 120, store.get(run_id)
        time.sleep(0.02)
    done = time.perf_counter()
    reloads += _until(page, ["Done"])
    shown = time.perf_counter()
    store_bytes = Path(store.url.removeprefix("sqlite:///")).stat().st_size
    return {
        "page open [s]": opened - begun,
        "Resume to Running on the page [s]": running - opened,
        "end of the run to Done on the page [s]": shown - done,
        STOOD: reloads,
        "memory of the app [MiB]": app.memory_info().rss / 2**20,
        "threads of the app": app.num_threads(),
        "open files of the app": app.num_fds(),
        "store for each run [KiB]": store_bytes / 2**10 / number,
    }


def _until(page: Any, words: list[str]) -> int:
    """Wait for one of these badges; 1 if the page had to be reloaded to show it, and what the browser said then goes to stderr."""
    try:
        page.wait_for_function(SAYS, arg=words, timeout=STILL)
        return 0
    except TimeoutError:
        page.screenshot(path=f"{tempfile.gettempdir()}/soak-stood-still.png")
        print(f"no {' or '.join(words)} on {page.url}", file=sys.stderr, flush=True)
        page.reload()
        page.wait_for_function(SAYS, arg=words)
        return 1


def soak(minutes: float, tabs: int) -> list[tuple[float, dict[str, float]]]:
    """When every run began, in seconds from the first, and what it gave."""
    found: list[tuple[float, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder, browser.app(Path(folder)) as address, sync_playwright() as playwright:
        app = next(child for child in psutil.Process().children() if "streamlit" in " ".join(child.cmdline()))
        store = Store(Path(folder) / "runs.db")
        context = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS)).new_context()
        context.set_default_timeout(browser.PATIENCE)
        for _ in range(tabs):
            context.new_page().goto(f"{address}/runs")
        page = context.new_page()
        page.on("pageerror", lambda error: print(f"browser: {error}"[:500], file=sys.stderr, flush=True))
        page.on("console", lambda said: said.type == "error" and print(f"browser: {said.text}"[:500], file=sys.stderr, flush=True))
        begun = time.monotonic()
        while (at := time.monotonic() - begun) < 60 * minutes:
            found.append((at, one_run(page, address, store, app, len(found) + 1)))
            if len(found) % 10 == 0:
                print(f"{len(found)} runs", {name: round(value, 2) for name, value in found[-1][1].items()}, file=sys.stderr, flush=True)
        statuses = {row["status"] for row in store.runs()}
        assert statuses == {"done"}, statuses
    return found


def main() -> int:
    """Soak, and say what the first and the last quarter were like."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--tabs", type=int, default=1, help="other tabs that are open [1]")
    parser.add_argument("--no-table", action="store_true", help="leave docs/RELIABILITY.md alone")
    args = parser.parse_args()
    begun = time.perf_counter()
    every = soak(args.minutes, args.tabs)
    found = [each for _, each in every]
    counted = [each for at, each in every if at >= WARM] or found
    quarter = max(1, len(counted) // 4)
    rows, grown = [], []
    for name in found[0]:
        values = [each[name] for each in counted]
        first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
        rows.append((name, f"{first:.2f}", f"{last:.2f}", f"{max(each[name] for each in found):.2f}"))
        if last > MOST_GROWTH * first:
            grown.append(name)
    heads = (f"{len(found)} runs, {args.tabs + 1} tabs", "first quarter, median", "last quarter, median", "most of all")
    text = tables.table(tables.measured("soak.py", begun), heads, rows)
    text += f"\n\nWithout the first {WARM:.0f} s but for the last column. Grew by more than a fifth: {', '.join(grown) or 'nothing'}. "
    text += f"Pages that stood still and were reloaded: {sum(each[STOOD] for each in found)}."
    print(text)
    if not args.no_table:
        tables.write("soak", text)
    return 1 if grown or any(each[STOOD] for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
