"""Pictures of the pages in the states that are hard to get right, from made-up runs: six runs, seeds, a ticket, a stop, a failure, 27 runs.

    scripts/screenshots FOLDER [--scenes compare-six,ticket,lesson-7] [--sizes 1440,900,400,projector] [--themes light,dark]

A scene may be named by its beginning. Lessons, from the recordings that come with the program, are taken where they are named:
lesson-3-2 is the second step of the third, lesson-3-2-after what it shows when its question was skipped, lesson-tour the tour.

The pictures are for looking at: cramped, cut off, unlabelled, overlapping or unexplained is a defect. A page with a network that is
computed (What if) takes some seconds more.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import browser
import fake_masks
import fake_runs

from appcore.config import build
from appcore.planning import ablation_grid
from appcore.service import lessons
from appcore.storage.store import Store

SIZES = {"1440": (1440, 1000), "900": (900, 1000), "400": (400, 860), "projector": (1280, 720)}
MOST = 2600  # pixels: what is longer is cut, or it could not be read in a picture
TICKET: dict[str, Any] = {"method": "imp", "pruner": "magnitude", "megabatches": 1, "epochs": 6, "tau": 7.0}
SIX: tuple[dict[str, Any], ...] = (
    {"pruner": "snip"},
    {"pruner": "magnitude"},
    {"pruner": "random", "tau": 9.0},
    {"method": "dense"},
    {"method": "osp", "pruner": "grasp", "megabatches": 1, "epochs": 24},
    {"method": "rigl", "megabatches": 4},
)
LESSON, AFTER = "lesson-", "-after"
AXES = {"pruner": ["snip", "magnitude", "random"], "tau": [3.0, 7.0, 14.0], "seed": [0, 1, 2]}
DRAWN = """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning' && document.querySelector('h1')
  && !document.querySelector('[data-testid=stSkeleton]')
  && [...document.querySelectorAll('.frame .chart')].every(host => host.data || host.getBoundingClientRect().top > innerHeight + 300)"""


def scenes(store: Store) -> dict[str, tuple[str, dict[str, Any]]]:
    """The page and address of each scene by name, of runs that are written into the store."""
    six = [fake_masks.write(store, title=f"Run {place + 1}", **settings) for place, settings in enumerate(SIX)]
    seeds = [fake_masks.write(store, pruner=pruner, seed=seed, group="seeds") for pruner in ("snip", "magnitude") for seed in range(3)]
    twelve = [*six, *seeds]
    ticket = fake_masks.write(store, title="Lottery ticket", **TICKET)
    control = fake_masks.write(store, title="Control", **TICKET, options={"control": "reinit"})
    dense = [fake_runs.write(store, title="Dense", **{**TICKET, "method": "dense"}, seed=seed) for seed in range(2)]
    stopped = fake_masks.write(store, until=30, status="stopped", title="Stopped on the way")
    failed = fake_runs.write(store, until=9, status="failed", title="SNIP on Digits, learning rate 100", lr=100.0)
    sweep = _ablation(store)
    rounds = ",".join([ticket, control, *dense])
    return {
        "compare-six": ("compare", {"runs": ",".join(six)}),
        "compare-seeds": ("compare", {"runs": ",".join(seeds)}),
        "compare-twelve": ("compare", {"runs": ",".join(twelve)}),
        "compare-ticket": ("compare", {"runs": rounds}),
        "ticket": ("run", {"run": ticket}),
        "ticket-masks": ("masks", {"run": ticket}),
        "stopped": ("run", {"run": stopped}),
        "failed": ("run", {"run": failed}),
        "form": ("run", {"preset": "lottery-lenet-small"}),
        **{f"ablation-{view.split()[0].lower()}": ("ablations", {"sweep": sweep, "view": view}) for view in VIEWS},
        "ablations": ("ablations", {}),
        "what-if": ("what_if", {"arch": "mlp", "criteria": "SNIP,Magnitude", "sparsity": "90"}),
        "runs": ("runs", {}),
        "runs-conditions": ("runs", {"q": "sparsity>60 pruner=snip,magnitude seed<2", "columns": ["tau", "epochs"], "open": sweep}),
        "runs-grouped": ("runs", {"by": "equal settings"}),
        "stream": ("stream", {"runs": ",".join(six[:3])}),
        "masks": ("masks", {"run": six[0], "against": six[1]}),
        "export": ("export", {"run": six[0], "part": "Numbers"}),
        "start": ("", {}),
        **dict(_of_lessons()),
    }


def _of_lessons() -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    for name, choice in lessons.found().items():
        address = lessons.address(choice)
        for place, step in enumerate(lessons.load(name).steps, 1):
            page = "lessons", {"lesson": address, "step": place}
            yield f"{LESSON}{address}-{place}", page
            if step.question:
                yield f"{LESSON}{address}-{place}{AFTER}", page


VIEWS = ("Heatmap", "Lines", "Parallel coordinates", "Table")


def _ablation(store: Store) -> str:
    base = build({"megabatches": 2, "epochs": 6}).model_dump(mode="json")
    sweep = store.ablations.create("Three criteria at three sparsities, three seeds each", base, AXES)
    cells = ablation_grid.expand(base, AXES)["cells"]
    runs = [fake_runs.write(store, group=sweep, title=ablation_grid.label(cell), **cell["config"]) for cell in cells]
    store.ablations.add_runs(sweep, runs)
    return sweep


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", default="", help="of those in the source; all where none is named")
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--themes", default="light,dark")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        known = scenes(Store(Path(place) / "runs.db"))
        wanted = args.scenes.split(",") if args.scenes else [scene for scene in known if not scene.startswith(LESSON)]
        chosen = [scene for scene in known if any(scene == name or scene.startswith(f"{name}-") for name in wanted)]
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        with browser.app(Path(place)) as address:
            for size, theme in product(args.sizes.split(","), args.themes.split(",")):
                width, height = SIZES[size]
                page = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme).new_page()
                for scene in chosen:
                    name, query = known[scene]
                    page.set_viewport_size({"width": width, "height": height})
                    page.goto(f"{address}/{name}?{urlencode(query | ({'projector': '1'} if size == 'projector' else {}), doseq=True)}")
                    if scene.endswith(AFTER):
                        _skip(page)
                    _take(page, args.folder / f"{scene}_{size}_{theme}.png", is_whole=size != "projector")
                page.context.close()


def _skip(page: Any) -> None:
    """Skip the question of a lesson, which stays skipped for this browser."""
    page.wait_for_selector(".st-key-lesson-why:visible, [class*='-skip'] button:visible", timeout=browser.PATIENCE)
    shown = "() => document.querySelector('.st-key-lesson-why')"
    if not page.evaluate(shown):
        browser.insist(page, lambda: page.locator("[class*='-skip'] button:visible").first.click(timeout=5000), shown)


def _take(page: Any, path: Path, *, is_whole: bool) -> None:
    page.wait_for_function(DRAWN, timeout=browser.PATIENCE)
    page.wait_for_timeout(1200)
    if is_whole:
        tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": page.viewport_size["width"], "height": min(max(tall, 400), MOST)})
        page.wait_for_function(DRAWN, timeout=browser.PATIENCE)
        page.wait_for_timeout(800)
    page.screenshot(path=path)
    print(path, flush=True)


if __name__ == "__main__":
    main()
