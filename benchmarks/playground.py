"""How fast the playground is while it draws, what it costs the server, and whether visits leave something behind.

    python benchmarks/playground.py [--seconds 10] [--visits 50]

In headless Chromium: frames and training steps per second of a 2-32-32-2 network with batches of 32, each second apart, and the processor
time of the server meanwhile; then so many visits of the page and of another one in turn, with training left running each time. Writes
playground.md beside itself.
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers"), str(ROOT / "benchmarks")]

import browser  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from tables import measured, table  # noqa: E402

RUNS = "() => new Promise((done) => setTimeout(() => done(document.querySelector('.playground').dataset.running === 'yes'), 700))"
COUNTS = "() => { const { frames, steps } = document.querySelector('.playground').dataset; return [Number(frames), Number(steps)]; }"
# Frames that any playground has asked for in a second, on a page without one: what a forgotten loop would show.
FORGOTTEN = """() => new Promise((done) => {
  let asked = 0;
  const own = window.requestAnimationFrame;
  window.requestAnimationFrame = (act) => { asked++; return own.call(window, act); };
  setTimeout(() => { window.requestAnimationFrame = own; done(asked); }, 1000);
})"""


def server() -> psutil.Process:
    """The app that this program started."""
    return next(child for child in psutil.Process().children() if "streamlit" in " ".join(child.cmdline()))


def speeds(page: Any, seconds: int, fresh: str) -> tuple[list[float], list[float], float]:
    """Frames and steps of each second, and the server's share of a core. Training begins anew where it has ended."""
    frames, steps = [], []
    before, begun = server().cpu_times(), time.perf_counter()
    for second in range(seconds):
        if second % 3 == 0:
            page.goto(fresh)
            browser.insist(page, lambda: page.locator(".playground .primary").click(delay=20), RUNS)
            page.wait_for_timeout(300)
        (first, done), since = page.evaluate(COUNTS), time.perf_counter()
        page.wait_for_timeout(1000)
        (last, reached), took = page.evaluate(COUNTS), time.perf_counter() - since
        frames.append((last - first) / took)
        steps.append((reached - done) / took)
    after = server().cpu_times()
    return frames, steps, (after.user + after.system - before.user - before.system) / (time.perf_counter() - begun)


def heap(session: Any) -> float:
    """MiB of JavaScript after a collection."""
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"] / 2**20


def visits(page: Any, address: str, count: int) -> tuple[list[float], list[int], int]:
    """MiB after each tenth visit, event listeners then, and frames asked for on the other page at the end."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    sizes, listeners = [], []
    page.goto(f"{address}/playground")
    for visit in range(1, count + 1):
        page.locator(".st-key-pages").get_by_role("link", name="Playground", exact=True).click()
        page.locator(".playground .primary").click()
        page.wait_for_timeout(200)
        page.locator(".st-key-pages").get_by_role("link", name="Runs", exact=True).click()
        page.wait_for_function("() => !document.querySelector('.playground')")
        if visit % 10 == 0:
            sizes.append(heap(session))
            found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            listeners.append(int(found["JSEventListeners"]))
            print(f"visit {visit}: {sizes[-1]:.1f} MiB, {listeners[-1]} listeners", file=sys.stderr, flush=True)
    return sizes, listeners, page.evaluate(FORGOTTEN)


def middle(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--visits", type=int, default=50)
    asked, begun = parser.parse_args(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, browser.app(Path(folder)) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        page = chromium.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(browser.PATIENCE)
        lots = np.random.RandomState(0).randint(0, 256, (400, 3)) % [256, 256, 2]  # classes by lot: no network is done with them soon
        text = base64.urlsafe_b64encode(lots.astype(np.uint8).tobytes()).decode().rstrip("=")
        hard = f"{address}/playground?data=csv&lr=0.01&csv={text}"
        page.goto(hard)
        page.locator(".playground .primary").wait_for()
        at_first = os.getloadavg()[0]
        frames, steps, share = speeds(page, asked.seconds, hard)
        print(f"frames {middle(frames)}, steps {middle(steps)}, server {share:.2f}", file=sys.stderr, flush=True)
        load = f"{at_first:.1f} before, {os.getloadavg()[0]:.1f} after"
        sizes, listeners, forgotten = visits(page, address, asked.visits)
        chromium.close()
    rows = [
        ["frames a second while training", middle(frames)],
        ["training steps a second while drawing", middle(steps)],
        ["share of a core that the server took, page loads included", f"{100 * share:.0f} %"],
        [f"MiB of JavaScript after each tenth of {asked.visits} visits", ", ".join(f"{size:.1f}" for size in sizes)],
        ["event listeners then", ", ".join(map(str, listeners))],
        ["frames asked for in a second after the last visit", str(forgotten)],
    ]
    about = f"2-32-32-2, batches of 32, at 1440 x 1000, {os.cpu_count()} cores with a load of {load}; "
    about += f"median of {asked.seconds} seconds (lowest to highest)."
    text = "\n\n".join(["# The playground while it draws", measured("playground.py", begun), table(about, ["what", "measured"], rows)])
    Path(__file__).with_suffix(".md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
