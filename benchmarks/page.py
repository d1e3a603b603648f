"""How long users wait: first paint, Start to the first column of the heatmap, and pause, resume and stop, in headless Chromium.

    python benchmarks/page.py [--rounds 3] [--read-seconds 5]

`--read-seconds` is how long somebody looks at the first page before pressing Start; the app imports torch meanwhile.
Each round is a fresh process of the app with an empty store. Times in seconds, median (lowest to highest).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import browser
from playwright.sync_api import sync_playwright

HAS_COLUMN = "() => document.querySelector('.st-key-difference-map .chart')?.layout?.yaxis?.ticktext?.length > 0"
SAYS = "word => [...document.querySelectorAll('.stMarkdownBadge')].some(badge => badge.innerText.includes(word))"
ANSWERS = (("pause", "hold", "Paus", "Paused"), ("resume", "hold", "R", "Running"), ("stop", "stop", "Stopp", "Stopped"))


def one_round(read_seconds: float) -> dict[str, float]:
    """Seconds by what was waited for."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, browser.app(Path(folder)) as address, sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS)).new_page()
        page.set_default_timeout(60_000)
        begun = time.perf_counter()
        page.goto(address)
        page.locator(".st-key-start button").wait_for()
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
    args = parser.parse_args()
    rounds = [one_round(args.read_seconds) for _ in range(args.rounds)]
    for name in rounds[0]:
        times = [found[name] for found in rounds]
        print(f"| {name} | {statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f}) |")


if __name__ == "__main__":
    main()
