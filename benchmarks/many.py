"""How fast pages are with thousands of runs in the store, and Compare with twelve runs of which two go on, in headless Chromium.

    python benchmarks/many.py [--runs 10000] [--compare 12] [--rounds 5] [--store URL] [--against CHECKOUT] [--folder FOLDER]

Runs are made up, nothing trains. Median (lowest to highest). `--against`: another checkout of this program, measured by turns with
this one. `--folder`: where the store is kept for the next time. `--store`: an empty PostgreSQL database, instead of SQLite in the folder.
Writes many-RUNS.md beside itself, with `-postgresql` in its name for such a store. Runs is painted when its table is drawn, Compare with
its twelve runs when the curves of its first chart are. A rerun is from the Enter after a condition until the table says how many runs
fit, or from a click on the next page of the table until it is there; a tick is the processor time of the app in each second in which both
runs have had an epoch; an idle tab shows Runs while nothing happens but the heartbeats of two runs. The processor time of the app stands
beside the seconds: it says as much on a busy machine.
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

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests" / "helpers")]

import browser  # noqa: E402
import fake_runs  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from appcore.storage.store import Store  # noqa: E402
from pages import PAINTED, ROOT  # noqa: E402

TABLE = "() => document.querySelector('[data-testid=stDataFrame] canvas')"
CURVES = "() => document.querySelector('.st-key-compare-accuracy .gtitle')"
SAYS = "word => [...document.querySelectorAll('[data-testid=stCaptionContainer]')].some(one => one.innerText.includes(word))"
SECONDS = 12  # that ticks and an idle tab are watched
PAGES = ("compare", "masks", "stream", "what_if", "export", "ablations")  # first paint of each


def opened(page: Any, address: str, there: str) -> float:
    """Seconds from a navigation until the page is painted and has what it is for."""
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(PAINTED, polling=20)
    page.wait_for_function(there, polling=20)
    return time.perf_counter() - begun


def library(address: str, page: Any, runs: int) -> dict[str, float]:
    """First paint of the page Runs, and what a condition takes."""
    what = f"Runs with {runs:,} runs"
    found = _paint(what, page, address, f"{address}/runs", TABLE)
    if runs > 400:

        def turn() -> float:
            begun = time.perf_counter()
            page.locator(".st-key-table_page button[aria-label='Page 2'], .st-key-table_page button:has-text('2')").first.click()
            page.wait_for_function(SAYS, arg="Rows 201 to 400", polling=20)
            return time.perf_counter() - begun

        found |= _with_processor_time(f"{what}, next page of the table", address, turn)
    page.wait_for_timeout(3000)
    process, before = _process(address), _spent(_process(address))
    page.wait_for_timeout(1000 * SECONDS)
    found[f"{what}, an idle tab, share of a core"] = (_spent(process) - before) / SECONDS
    for name, text, fits in (("a condition", "seed<10", 30), ("a word", "magnitude", (runs + 1) // 3)):
        field = page.locator(".st-key-q input")
        field.fill(text)

        def rerun(field: Any = field, fits: int = fits) -> float:
            begun = time.perf_counter()
            field.press("Enter")
            page.wait_for_function(SAYS, arg=f"{fits:,} of {runs:,}", polling=20)
            return time.perf_counter() - begun

        found |= _with_processor_time(f"{what}, rerun after {name}", address, rerun)
    return found


def _paint(what: str, page: Any, address: str, link: str, there: str) -> dict[str, float]:
    """First paint of a page that nobody has opened since the app began, which imports what draws it, and of one that somebody has."""
    found: dict[str, float] = {}
    for name in (f"{what}, first paint in a fresh app", f"{what}, first paint"):
        page.goto("about:blank")
        found |= _with_processor_time(name, address, lambda: opened(page, link, there))
    return found


def _with_processor_time(name: str, address: str, act: Any) -> dict[str, float]:
    """The seconds that `act` returns, and those that the app's process computed."""
    process = _process(address)
    before = _spent(process)
    seconds = act()
    time.sleep(0.3)  # what the page still sends
    return {name: seconds, f"{name} (processor time)": _spent(process) - before}


def compare(address: str, page: Any, store: Store, run_ids: list[str], going: list[str]) -> dict[str, float]:
    """First paint of Compare, and the processor time of a tick while the last runs go on."""
    what = f"Compare with {len(run_ids)} runs"
    link = f"{address}/compare?runs={','.join(run_ids)}"
    found = _paint(what, page, address, link, CURVES)
    page.wait_for_timeout(2000)
    process, begun = _process(address), time.perf_counter()
    spent = _spent(process)
    for second in range(SECONDS):
        for run_id in going:
            fake_runs.advance(store, run_id, 30 + second)
        time.sleep(max(0.0, begun + second + 1 - time.perf_counter()))
    found[f"{what}, {len(going)} of them going on: a tick (processor time)"] = (_spent(process) - spent) / SECONDS
    return found


def _await_rest(address: str) -> None:
    """Return when a fresh process has read all runs and imported torch: when it computes for less than a tenth of three seconds."""
    spent = -1.0
    while (now := _spent(_process(address))) - spent > 0.3:
        spent = now
        time.sleep(3)


def _process(address: str) -> Path:
    """The process that serves an address."""
    option = f"--server.port={address.rpartition(':')[2]}"
    return next(path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if option in path.read_text(errors="replace").split("\0"))


def _spent(process: Path) -> float:
    return sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def one_round(folder: Path, checkout: Path, chromium: Any, args: argparse.Namespace, store: Store) -> dict[str, float]:
    """All numbers of one checkout, from a fresh process of its app and a browser that has been here before."""
    ids = [run["run_id"] for run in store.runs(max(args.compare, 2))]
    going = ids[:2]
    for run_id in going:
        fake_runs.advance(store, run_id, 30)
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    with browser.app(folder, script=str(checkout / "app.py"), store=args.store) as address:
        page = context.new_page()
        page.set_default_timeout(60_000)
        opened(page, f"{address}/machines", "() => true")
        _await_rest(address)
        found = library(address, page, args.runs) | compare(address, page, store, ids[: args.compare], going)
        for name in PAGES:  # the last: some compute in the background what they show
            found |= _paint(name.capitalize().replace("_", " "), page, address, f"{address}/{name}", "() => true")
    context.close()
    return found


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--compare", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the store is kept")
    parser.add_argument("--against", type=Path, help="another checkout, measured by turns")
    parser.add_argument("--store", default="", help="an empty PostgreSQL database")
    args = parser.parse_args()
    checkouts = {"": ROOT} | ({"before: ": args.against.absolute()} if args.against else {})
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        store = Store(args.store or folder / "runs.db")
        for number in range(len(store.own_ids()), min(30, args.runs)):
            fake_runs.write(store, pruner=("snip", "magnitude", "random")[number % 3], seed=number // 3)
        fake_runs.multiply(store, args.runs)
        for run in store.runs(2):
            store.update(run["run_id"], status="running")
            fake_runs.keep_alive(store, run["run_id"])
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        for _ in range(args.rounds):
            for before, checkout in checkouts.items():
                for name, seconds in one_round(folder, checkout, chromium, args, store).items():
                    found.setdefault(before + name, []).append(seconds)
        store.close()
    versions = f"Python {platform.python_version()}, streamlit {metadata.version('streamlit')}"
    about = f"--runs {args.runs} --compare {args.compare} --rounds {args.rounds}{' --store URL' * bool(args.store)}"
    where = f"headless Chromium on the same two cores, load {os.getloadavg()[1]:.1f}"
    lines = [
        "# How fast the pages are with many runs\n",
        f"    python benchmarks/many.py {about}\n",
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {versions}, {where}. Seconds.\n",
        "| what | median (lowest to highest) |\n|---|---|",
        *(f"| {name} | {statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f}) |" for name, v in sorted(found.items())),
    ]
    print("\n".join(lines))
    (Path(__file__).parent / f"many-{args.runs}{'-postgresql' * bool(args.store)}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
