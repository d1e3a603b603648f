"""Mutated bundles and backups: what is taken in is looked at on every page in Chromium.

    nice python benchmarks/fuzz_pages.py [--cases 2000] [--state FILE]

Half of the cases are bundles, half backups, of one real run; case number N is always the same. Each has one to three of its values
replaced, by another type, an extreme, a time that is none, or markup, with checksums that fit. It is refused in one line, or taken: then
its run is opened on every page. None may end in an exception, ask another address for anything, or hold a link, icon or formula of it.
Every case is written to the state file, and left out when the command is given again. Ends with 1 when anything was found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import browser  # noqa: E402
import hostile_text  # noqa: E402
from hostile_bundles import add, members, packed  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from sqlalchemy import insert, select  # noqa: E402

from appcore import paths  # noqa: E402
from appcore.errors import InputError  # noqa: E402
from appcore.runner import driver  # noqa: E402
from appcore.storage import schema  # noqa: E402
from appcore.storage.database import Database  # noqa: E402
from appcore.storage.store import Store  # noqa: E402
from appcore.transfer.backup import backup, restore  # noqa: E402
from appcore.transfer.bundle_export import export  # noqa: E402
from appcore.transfer.bundle_import import import_bundle  # noqa: E402

TOGETHER = 6  # runs that lie in the app's store at one time
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 5, 0.5, -0.5, 1.5, 1e300, -1e300, 2**31, 2**62, 2**63, 10**40, float("nan"), float("inf")),
    *("", "x", "yesterday", "2026-99-99T99:99:99", "2026-01-01T00:00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"),
    *(hostile_text.ATTACK, hostile_text.FORMULA, "\u202e", "\ud800", "../../x", "a" * 3000, "done", "running", "vanished", "nan", "{}"),
    *([], {}, [1], ["x"], {"a": 1}, [[]], {"a": {"b": [None]}}, [hostile_text.ATTACK], {hostile_text.ATTACK: hostile_text.ATTACK}),
]


class Source:
    """A real run, its bundle, and a backup of its store."""

    def __init__(self, folder: Path):
        store = Store(folder / "source" / "runs.db")
        self.run_id = add(store)
        assert driver.drive(store, self.run_id) == "done"
        store.update(self.run_id, tags=["one"], note="a note")
        store.ablations.add_runs(store.ablations.create("an ablation", {"dataset": "digits"}, {"seed": [0, 1]}), [self.run_id])
        self.bundle = members(Path(export(store, self.run_id, folder / "exported")[-1]))
        backup(store, folder / "backup.zip")
        with zipfile.ZipFile(folder / "backup.zip") as file:
            self.backup = {name: file.read(name) for name in file.namelist()}

    def case(self, number: int, folder: Path) -> tuple[str, Path]:
        """(kind, file) of a case."""
        draw, kind = random.Random(number), ("bundle", "backup")[number % 2]
        run_id = f"20260101-{number // 65536:06d}-{number % 65536:04x}"
        whole = {name.replace(self.run_id, run_id): data for name, data in getattr(self, kind).items()}
        for name in [name for name in whole if name.endswith((".json", ".jsonl"))]:
            whole[name] = whole[name].replace(self.run_id.encode(), run_id.encode())
        texts = [name for name in whole if name.endswith((".json", ".jsonl")) and name != "manifest.json" and b"{" in whole[name]]
        texts = [name for name in texts if not name.startswith(("checkpoint", "files/"))]  # which carry their own checksum
        for _ in range(draw.randint(1, 3)):
            name = draw.choice(texts)
            whole[name] = _mutated(whole[name], draw)
        path = folder / f"{kind}.zip"
        return kind, packed(path, _sealed(whole) if kind == "backup" else whole)


def _sealed(whole: dict[str, bytes]) -> dict[str, bytes]:
    """The manifest of a backup, made to fit."""
    listed = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in whole.items() if name != "manifest.json"
    }
    return whole | {"manifest.json": json.dumps({**json.loads(whole["manifest.json"]), "members": listed}).encode()}


def _mutated(text: bytes, draw: random.Random) -> bytes:
    """A JSON text, or lines of them, with one value replaced, taken out or added."""
    lines = text.split(b"\n")
    place = draw.choice([place for place, line in enumerate(lines) if line.strip()])
    tree = json.loads(lines[place])
    node, depth = tree, draw.choice([1, 1, 1, 2, 2, 3])
    while depth > 1 and (inner := [value for value in _parts(node) if isinstance(value, (dict, list)) and value]):
        node, depth = draw.choice(inner), depth - 1
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key, what = draw.choice(keys), draw.random()
    if what < 0.1:
        del node[key]
    elif what < 0.15 and isinstance(node, dict):
        node[draw.choice(["extra", hostile_text.ATTACK])] = draw.choice(VALUES)
    else:
        node[key] = draw.choice(VALUES)
    lines[place] = json.dumps(tree).encode("utf-8", "replace")
    return b"\n".join(lines)


def _parts(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node


def taken(kind: str, path: Path, store: Store, scratch: Path) -> list[str]:
    """Read a case into the app's store; the ids of its runs. InputError when it is refused."""
    if kind == "bundle":
        return [import_bundle(store, path)]
    shutil.rmtree(scratch, ignore_errors=True)
    other = Store(scratch / "runs.db")
    try:
        restore(other, path)
        return _copied(other, store)
    finally:
        other.close()


def _copied(other: Store, store: Store) -> list[str]:
    """Every row and file of a store that was restored, as they are, into the app's."""
    tables = [table for table in schema.metadata.sorted_tables if table is not schema.meta]
    source, target = Database(other.url, 10.0), Database(store.url, 10.0)
    with source.read() as rows, target.write() as connection:
        for table in tables:
            found = [dict(row) for row in rows.execute(select(table)).mappings()]
            if found:
                connection.execute(insert(table), found)
    source.engine.dispose()
    target.engine.dispose()
    found = [run_id for run_id, _, _ in other.revision()]
    for run_id in found:
        folder = paths.run_folder(other.folder, run_id)
        if folder.exists():
            shutil.move(folder, paths.run_folder(store.folder, run_id))
    return found


class Watch:
    """Pages of the app, and what was wrong with them."""

    def __init__(self, page: Any, address: str):
        self._page, self._address, self._asked = page, address, []
        page.on("request", lambda request: self._asked.append(request.url))
        page.on("dialog", lambda dialog: self._asked.append("a dialog"))

    def look(self, path: str) -> list[str]:
        self._asked.clear()
        self._page.goto(f"{self._address}/{path}")
        self._page.wait_for_function("() => document.querySelector('h1, [data-testid=stException], [data-testid=stAlert]')")
        self._page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
        self._page.wait_for_function(IS_STILL)
        wrong = [*self._page.evaluate(hostile_text.TOOK_EFFECT), *(url for url in self._asked if not _is_own(url, self._address))]
        return [f"/{path}: {one}"[:400] for one in wrong]


IS_STILL = "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState !== 'running'"


def _is_own(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


def pages(run_ids: list[str], sweeps: list[str]) -> list[str]:
    """What is opened for the runs that lie in the store."""
    found = ["", "runs", "ablations", f"stream?view=runs&runs={','.join(run_ids)}", f"compare?runs={','.join(run_ids)}"]
    for run_id in run_ids:
        found += [f"{name}?run={run_id}" for name in ("run", "masks", "export")]
        found += [f"runs?runs={run_id}", f"ablations?base={run_id}", f"stream?from={run_id}", f"what_if?run={run_id}&when=start"]
    return found + [f"ablations?sweep={sweep}" for sweep in sweeps]


def main(cases: int, state: Path) -> int:
    done = {row["case"]: row for row in map(json.loads, state.read_text().splitlines())} if state.exists() else {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        source, store = Source(folder), Store(folder / "runs.db")
        assert store.runs() == []
        with browser.app(folder) as address, state.open("a") as log:
            chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
            page = chromium.new_context(viewport={"width": 1440, "height": 2000}).new_page()
            page.set_default_timeout(browser.PATIENCE)
            watch, waiting = Watch(page, address), {}
            for number in [number for number in range(cases) if number not in done] + [None]:
                if number is not None:
                    kind, path = source.case(number, folder)
                    row = {"case": number, "kind": kind, "outcome": "taken", "wrong": []}
                    try:
                        waiting |= dict.fromkeys(taken(kind, path, store, folder / "scratch"), row)
                    except InputError as error:
                        row |= {"outcome": "refused", "said": error.message[:300]}
                        row["wrong"] = ["a refusal of several lines"] if "\n" in error.message else []
                    if row["outcome"] == "refused" or row not in waiting.values():
                        done[number] = row
                        log.write(json.dumps(row) + "\n")
                if len(waiting) >= TOGETHER or (number is None and waiting):
                    _look_at_all(watch, store, waiting)
                    for row in {id(row): row for row in waiting.values()}.values():
                        done[row["case"]] = row
                        log.write(json.dumps(row) + "\n")
                    waiting = {}
                    log.flush()
                if number is not None and number % 50 == 0:
                    print(f"case {number}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
            chromium.close()
        traces = (folder / "app.log").read_text(encoding="utf-8", errors="replace").count("Traceback")
    return _report([done[number] for number in range(cases)], traces)


def _look_at_all(watch: Watch, store: Store, waiting: dict[str, dict[str, Any]]) -> None:
    """Open every page, hold what was wrong against the cases, and empty the store."""
    sweeps = [sweep["sweep_id"] for sweep in store.ablations.all()]
    for path in pages(list(waiting), sweeps):
        wrong = watch.look(path)
        for run_id, row in waiting.items():
            if run_id in path or "=" not in path:
                row["wrong"] += wrong
    for run_id in waiting:
        store.delete(run_id)
    for sweep in [*sweeps, *(one.of for one in store.ablations.survey()[1])]:
        store.ablations.delete(sweep)


def _report(rows: list[dict[str, Any]], traces: int) -> int:
    outcomes = Counter(f"{row['kind']} {row['outcome']}" for row in rows)
    wrong = [row for row in rows if row["wrong"]]
    for row in wrong[:20]:
        print(f"case {row['case']}, {row['kind']}: {row['wrong'][:3]}", file=sys.stderr)
    print(json.dumps({"cases": len(rows), **outcomes, "with something wrong": len(wrong), "tracebacks of this app": traces}))
    return 1 if wrong or traces else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--state", type=Path, default=Path("fuzz-pages.jsonl"), help="what has been done, to go on later")
    arguments = parser.parse_args()
    sys.exit(main(arguments.cases, arguments.state))
