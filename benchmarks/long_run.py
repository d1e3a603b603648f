"""What a live update of a long run sends and takes: ResNet-50, 54 layers, 100 megabatches, 5,000 epochs, near its end.

    python benchmarks/long_run.py [--rounds 5]

Numbers of a made-up run in the real store, looked at in headless Chromium; writes long_run.md beside itself. An update's time holds
the wait for the next tick (1 s).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import browser  # noqa: E402
import fake_runs  # noqa: E402
import tables  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from appcore import events  # noqa: E402
from appcore.storage.store import Store  # noqa: E402

DRAWN = "() => { const all = [...document.querySelectorAll('.chart')]; return all.length > 5 && all.every(c => c.dataset.updates) }"
UPDATED = "seen => Number(document.querySelector('.st-key-accuracy-chart .chart').dataset.updates) > seen"
WATCH = """() => { window.longest = 0; new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({ type: 'longtask' }) }"""


def resnet50() -> tuple[events.Layer, ...]:
    """The prunable layers of torchvision's ResNet-50 with a 3x3 stem and 10 classes."""
    shapes, inside = {"conv1.weight": (64, 3, 3, 3)}, 64
    for stage, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            shapes[f"{name}.conv1.weight"] = (width, inside, 1, 1)
            shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
            shapes[f"{name}.conv3.weight"] = (4 * width, width, 1, 1)
            if not block:
                shapes[f"{name}.downsample.0.weight"] = (4 * width, inside, 1, 1)
            inside = 4 * width
    shapes["fc.weight"] = (10, inside)
    return tuple(events.Layer(name, shape, flops=128 * math.prod(shape)) for name, shape in shapes.items())


def long_run(address: str, store: Store, chromium: Any, rounds: int) -> dict[str, list[float]]:
    """First paint, then live updates one by one: what each sends, when it is seen, and how long it holds up the browser at most."""
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=5000, status="running", arch="resnet50", megabatches=100, epochs=50))
    address = f"{address}/run?run={run_id}"
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(browser.PATIENCE)
    page = context.new_page()
    received, paints = [0], []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.__setitem__(0, received[0] + len(frame))))
    for _ in range(rounds):
        begun = time.perf_counter()
        page.goto(address)
        page.wait_for_function(DRAWN)
        paints.append(time.perf_counter() - begun)
        page.wait_for_timeout(3000)
    page.evaluate(WATCH)
    seconds, sizes, blocks = [], [], []
    for turn in range(rounds):
        page.wait_for_timeout(11_000)  # news that come faster than they can be drawn wait, ten seconds at most
        seen = page.evaluate("() => Number(document.querySelector('.st-key-accuracy-chart .chart').dataset.updates)")
        fake_runs.advance(store, run_id, 5010 + 10 * turn)
        page.evaluate("() => { window.longest = 0 }")
        received[0], begun = 0, time.perf_counter()
        page.wait_for_function(UPDATED, arg=seen, polling=20)
        seconds.append(time.perf_counter() - begun)
        page.wait_for_timeout(700)
        sizes.append(received[0] / 1000)
        blocks.append(page.evaluate("() => window.longest"))
    context.close()
    return {
        "all charts drawn in a fresh app, s": paints[:1],
        "all charts drawn when opened again, s": paints[1:],
        "live update: until it is seen, s": seconds,
        "live update: sent, kB": sizes,
        "live update: the browser's longest task, ms": blocks,
    }


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    begun = time.perf_counter()
    fake_runs.LAYERS = resnet50()
    fake_runs.WEIGHTS = sum(layer.total for layer in fake_runs.LAYERS)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store = Store(Path(folder) / "runs.db")
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        with browser.app(Path(folder)) as address:
            found = long_run(address, store, chromium, args.rounds)
        store.close()
    rows = [(name, f"{statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f})") for name, v in found.items()]
    about = "ResNet-50 near the end of 100 megabatches of 50 epochs: 54 layers, 5,000 epochs. The browser runs on the same machine.\n\n"
    about += tables.measured("long_run.py", begun)
    text = "# A long run on its page\n\n" + tables.table(about, ("what", "median (lowest to highest)"), rows)
    print(text)
    (Path(__file__).parent / "long_run.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
