"""An ablation of 64 runs on three local nodes of a Ray cluster, while all that takes part is killed once.

    python benchmarks/cluster_kills.py [--runs 64] [--store URL] [--seed N]

First the ablation is run one after the other, undisturbed. Then again by `python -m appcore sweep --launcher ray`, with the app open on it
in Chromium. Each node, the keeper of the cluster, the command and the app are killed (SIGKILL) once, each when a number of runs that was
drawn is done; nodes, command and app are started again, as a person would. At the end weights, masks and all rows of each run are compared
with the undisturbed one; a run that was done and is worked on again counts as a fault. Writes cluster_kills.md beside itself, and ends
with 1 when anything was not as it should be. Needs the package ray.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers"), str(ROOT / "benchmarks")]

import browser  # noqa: E402
import faults  # noqa: E402
import local_ray  # noqa: E402
import psutil  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402
from tables import measured, table  # noqa: E402

from appcore.storage.store import Store  # noqa: E402

SETTINGS = "--arch mlp --dataset digits --megabatches 2 --epochs 250 --limit-train 200 --limit-test 50 --device cpu --pruner snip,magnitude"
NODES = 3
AWAY_SECONDS = (2.0, 8.0)  # for which a node, the command or the app is gone
LATEST = 0.8  # of all runs are done at the last kill, at most
PATIENCE = 3600.0  # s


class Struck(NamedTuple):
    """What became of an ablation under kills: what each run left, by fingerprint; the kills; how many runs were placed again; faults."""

    outcomes: dict[str, dict[str, Any]]
    kills: list[list[object]]
    again: int
    wrong: list[str]
    seconds: float


class Sweep:
    """The command of the ablation, which can be killed and given again."""

    def __init__(self, runs: int, launcher: str, folder: Path):
        self._asked = [*SETTINGS.split(), "--seed", f"0-{runs // 2 - 1}", "--launcher", launcher, "--share"]
        self._log = (folder / "sweep.log").open("ab")
        self.begin()

    def begin(self) -> None:
        command = [sys.executable, "-m", "appcore", "sweep", *self._asked]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class App:
    """The app with a page open on the ablation, both of which can be killed and opened again."""

    def __init__(self, chromium: Any, folder: Path, store: str):
        self._chromium, self._folder, self._store = chromium, folder, store
        self._open = contextlib.ExitStack()

    def begin(self) -> None:
        address = self._open.enter_context(browser.app(self._folder, store=self._store))
        self.page: Page = self._chromium.new_page()
        self.page.set_default_timeout(browser.PATIENCE)
        self.page.goto(f"{address}/ablations")
        self.page.get_by_role("heading", name="Ablations", level=1).wait_for()

    def kill(self) -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):  # the part that was killed before it, and is not read yet
                if "streamlit" in " ".join(child.cmdline()):
                    child.kill()
        self.page.close()
        self._open.close()


class Nodes:
    """The nodes of a cluster, each of which can be killed and begun again."""

    def __init__(self, cluster: Any):
        self._cluster, self._nodes = cluster, list(cluster.worker_nodes)

    def kill(self, which: int) -> None:
        self._cluster.remove_node(self._nodes[which], allow_graceful=False)

    def begin(self, which: int) -> None:
        self._nodes[which] = local_ray.add_node(self._cluster)


@contextlib.contextmanager
def variables(folder: Path, store: str) -> Iterator[None]:
    """The environment of all that is started, as long as it is used."""
    before = dict(os.environ)
    os.environ.update({"APPCORE_STORE": store, "APPCORE_RUNS": str(folder / "runs"), "APPCORE_SLOTS": str(folder / "slots")})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def outcomes(store: Store) -> dict[str, dict[str, Any]]:
    """What each run left, by its fingerprint."""
    return {store.get(row["run_id"])["fingerprint"]: faults.outcome(store, row["run_id"]) for row in store.runs()}


def undisturbed(runs: int, folder: Path) -> tuple[dict[str, dict[str, Any]], float]:
    """The ablation one after the other in one process, and its seconds."""
    with variables(folder, str(folder / "runs.db")):
        begun = time.perf_counter()
        code = Sweep(runs, "thread", folder).process.wait()
        assert code == 0, (folder / "sweep.log").read_text(encoding="utf-8")[-2000:]
        seconds = time.perf_counter() - begun
        with contextlib.closing(Store(str(folder / "runs.db"))) as store:
            return outcomes(store), seconds


def kill_keeper(store: Store) -> None:
    """Kills the process that has the runs which wait."""
    while not (held := Counter(row["pid"] for row in store.runs() if row["status"] == "queued" and row["pid"])):
        time.sleep(0.01)
    os.kill(held.most_common(1)[0][0], signal.SIGKILL)


class Strikes:
    """Kills each part once, when a drawn number of runs is done, and begins it again some seconds later."""

    def __init__(self, parts: dict[str, tuple[Callable[[], None], Callable[[], None] | None]], runs: int, draw: random.Random):
        self._parts, self._draw, self._begun = parts, draw, time.perf_counter()
        self._due = sorted((draw.uniform(0, LATEST * runs), name) for name in parts)
        self._away: list[tuple[float, str]] = []
        self.made: list[list[object]] = []  # rows of the table

    def is_away(self, name: str) -> bool:
        """Whether this part is to be begun again."""
        return any(away == name for _, away in self._away)

    @property
    def is_over(self) -> bool:
        return not self._due

    def look(self, done: int, running: int) -> None:
        """Does what is due when so many runs are done and in training."""
        now = time.perf_counter()
        if self._due and done >= self._due[0][0]:
            name = self._due.pop(0)[1]
            time.sleep(self._draw.uniform(0, 2))
            end, begin = self._parts[name]
            end()
            self.made.append([name, f"{now - self._begun:.0f}", done, running])
            print("killed, after s, done, in training:", *self.made[-1], flush=True)
            if begin:
                self._away.append((now + self._draw.uniform(*AWAY_SECONDS), name))
        for at, name in [one for one in self._away if one[0] <= now]:
            self._parts[name][1]()
            self._away.remove((at, name))


def struck(runs: int, folder: Path, url: str, draw: random.Random) -> Struck:
    """The same under kills."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(variables(folder, url))
        nodes = Nodes(stack.enter_context(local_ray.cluster(NODES)))
        store = stack.enter_context(contextlib.closing(Store(url)))
        playwright = stack.enter_context(sync_playwright())
        app = App(playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS)), folder, url)
        app.begin()
        stack.callback(app.kill)
        begun, sweep = time.perf_counter(), Sweep(runs, "ray", folder)
        stack.callback(sweep.kill)
        parts = {f"node {which + 1}": (partial(nodes.kill, which), partial(nodes.begin, which)) for which in range(NODES)}
        parts |= {"keeper": (partial(kill_keeper, store), None), "command": (sweep.kill, sweep.begin), "app": (app.kill, app.begin)}
        strikes, wrong, done = Strikes(parts, runs, draw), list[str](), set[str]()
        while strikes.is_away("command") or sweep.process.poll() is None:
            states = {row["run_id"]: row["status"] for row in store.runs()}
            wrong += [f"{run_id} was done, and then {states.get(run_id)}" for run_id in done if states.get(run_id) != "done"]
            done = {run_id for run_id, status in states.items() if status == "done"}
            if wrong or time.perf_counter() - begun > PATIENCE:
                break
            strikes.look(len(done), list(states.values()).count("running"))
            time.sleep(0.1)
        seconds = time.perf_counter() - begun
        rows = [store.get(row["run_id"]) for row in store.runs()]
        wrong += [] if strikes.is_over else ["the command ended before everything was killed"]
        wrong += [f"there are {len(rows)} runs, not {runs}"] * (len(rows) != runs)
        wrong += [f"{row['run_id']} is {row['status']}: {row['error']}" for row in rows if row["status"] != "done"]
        if sweep.process.poll() != 0:
            print((folder / "sweep.log").read_text(encoding="utf-8")[-3000:], flush=True)
            wrong.append(f"the command ended with {sweep.process.poll()}")
        again = sum(any(note.startswith("started again") for note in row["notes"] or []) for row in rows)
        return Struck(outcomes(store), strikes.made, again, wrong, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--store", default="", help="an empty PostgreSQL database [a file]")
    parser.add_argument("--seed", type=int, default=0, help="of the moments [0]")
    args, begun = parser.parse_args(), time.perf_counter()
    sys.argv[1:] = ["URL" if given == args.store else given for given in sys.argv[1:]]  # it may have a password
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / name for name in ("undisturbed", "struck")]
        for folder in folders:
            folder.mkdir()
        whole, alone = undisturbed(args.runs, folders[0])
        print(f"undisturbed, one after the other: {alone:.0f} s", flush=True)
        found = struck(args.runs, folders[1], args.store or str(folders[1] / "runs.db"), random.Random(args.seed))
    nothing = {"tables": {}}
    differ = {key: faults.differences(found.outcomes.get(key, nothing), one) for key, one in whole.items()}
    wrong = [*found.wrong, *(f"{key}: {', '.join(parts)} differ" for key, parts in differ.items() if parts)]
    about = f"{args.runs} runs, {'PostgreSQL' if args.store else 'SQLite'}, {NODES} nodes of one core on a machine with {os.cpu_count()}; "
    about += f"{alone:.0f} s undisturbed and one after the other, {found.seconds:.0f} s with these kills, {found.again} runs placed again."
    heads = ["killed", "after s", "runs done then", "runs in training then"]
    right = "Every run done once, and weights, masks and rows of all equal to the undisturbed ones, bit for bit."
    lines = ["# A cluster under kills", measured("cluster_kills.py", begun), table(about, heads, found.kills)]
    lines += ["\n".join(f"- {one}" for one in wrong) or right]
    Path(__file__).with_suffix(".md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    print(lines[-1])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
