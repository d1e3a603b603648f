"""How long users wait: first paint, Start to the first column of the heatmap, and pause, resume and stop, in headless Chromium.

    python benchmarks/page.py [--rounds 3] [--read-seconds 5]
    python benchmarks/page.py --first-start [--rounds 5]

`--read-seconds` is how long somebody looks at the first page before pressing Start; the app imports torch meanwhile.
Each round is a fresh process of the app with an empty store. Times in seconds, median (lowest to highest). `--first-start`: the first
paint of such an app with the recordings that come with the program and without, by turns, and when their runs were all in the store.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests" / "helpers")]

import browser  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from appcore.recordings import shipped  # noqa: E402
from appcore.storage.store import Store  # noqa: E402

HAS_COLUMN = "() => document.querySelector('.st-key-difference-map .chart')?.layout?.yaxis?.ticktext?.length > 0"
SAYS = "word => [...document.querySelectorAll('.rail .state')].some(state => state.innerText.includes(word))"
ANSWERS = (("pause", "hold", "Paus", "Paused"), ("resume", "hold", "R", "Running"), ("stop", "stop", "Stopp", "Stopped"))


@contextmanager
def fresh_app() -> Iterator[tuple[Path, Any, float]]:
    """The folder of a new app with an empty store, its first page once it is painted, and when that was asked for."""
    with tempfile.TemporaryDirectory() as folder, browser.app(Path(folder)) as address, sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS)).new_page()
        page.set_default_timeout(60_000)
        begun = time.perf_counter()
        page.goto(address)
        page.locator(".st-key-start button").wait_for()
        yield Path(folder), page, begun


def one_round(read_seconds: float) -> dict[str, float]:
    """Seconds by what was waited for."""
    found: dict[str, float] = {}
    with fresh_app() as (_, page, begun):
        found["first paint"] = time.perf_counter() - begun
        page.wait_for_timeout(1000 * read_seconds)
        found["Start to the first column"] = _until(page, "start", HAS_COLUMN)
        for verb, button, at_once, at_last in ANSWERS:
            begun = time.perf_counter()
            found[f"{verb}: acknowledged"] = _until(page, button, SAYS, at_once)
            page.wait_for_function(SAYS, arg=at_last)
            found[f"{verb}: done"] = time.perf_counter() - begun
            page.wait_for_timeout(1500)
    return found


def first_start(recordings: bool) -> dict[str, float]:
    """Seconds until a new app has painted its first page, and with recordings from then until all of them are in the store."""
    which = "with recordings" if recordings else "without"
    os.environ["APPCORE_RECORDINGS"] = "on" if recordings else "off"
    with fresh_app() as (folder, page, begun):
        found = {f"first paint {which}": time.perf_counter() - begun}
        if recordings:
            page.locator(".st-key-gallery").wait_for()
            found["pictures of the gallery"] = time.perf_counter() - begun
            store, painted = Store(folder / "runs.db"), time.perf_counter()
            while len(store.recorded()) < len(shipped.runs()):
                time.sleep(0.05)
            found["all recorded runs in the store, after the first paint"] = time.perf_counter() - painted
            store.close()
    return found


def _until(page: Any, button: str, condition: str, word: str | None = None) -> float:
    begun = time.perf_counter()
    page.locator(f".st-key-{button} button").click()
    page.wait_for_function(condition, arg=word)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--read-seconds", type=float, default=5.0)
    parser.add_argument("--first-start", action="store_true")
    args = parser.parse_args()
    if args.first_start:
        first_start(True)  # the files of both are read once
        rounds = [first_start(False) | first_start(True) for _ in range(args.rounds)]
    else:
        rounds = [one_round(args.read_seconds) for _ in range(args.rounds)]
    for name in rounds[0]:
        times = [found[name] for found in rounds]
        print(f"| {name} | {statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f}) |")


if __name__ == "__main__":
    main()
