"""Ask a command line that trains to end, by SIGTERM or SIGHUP, at any moment of its life: what it leaves, and what a resume makes of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctrl_c
import faults

from appcore.storage.store import Store

SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}
# A few seconds long, in short segments, so that most moments of its training have segments that no checkpoint has yet.
RUN = ["--arch", "mlp", "--megabatches", "3", "--epochs", "16", "--batch-size", "16", "--limit-train", "600", "--device", "cpu", "--json"]
SECONDS = 120  # one that has not ended by then hangs


@dataclass(frozen=True)
class Undisturbed:
    """How long the command takes, of it the part before its run is there, and what it leaves."""

    seconds: float
    before_the_run: float
    outcome: dict[str, Any]

    def moments(self, count: int) -> Iterator[tuple[bool, float]]:
        """(whether to count from when the run is there, seconds): half over the life of the command, half over that of its run, and a
        little beyond."""
        draw = random.Random(0)
        for number in range(count):
            of_run = number % 2 == 1
            yield of_run, draw.uniform(0.0, 1.05 * (self.seconds - self.before_the_run * of_run))


def command(place: Path) -> subprocess.Popen[bytes]:
    """`run` in a store of its own, with signals as a shell leaves them."""
    root = str(Path(__file__).parents[2])
    around = {**os.environ, "APPCORE_STORE": str(place / "runs.db"), "APPCORE_SLOTS": str(place / "slots"), "PYTHONPATH": root}
    place.mkdir(parents=True, exist_ok=True)
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        arguments = [sys.executable, "-m", "appcore", "run", *RUN]
        return subprocess.Popen(arguments, cwd=place, env=around, stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=ctrl_c.obey)


def undisturbed(place: Path) -> Undisturbed:
    """The command left alone."""
    begun = time.monotonic()
    process = command(place)
    _await_run(place, process)
    there = time.monotonic()
    assert process.wait(SECONDS) == 0, (place / "err").read_text()
    seconds = time.monotonic() - begun
    with closing(Store(place / "runs.db")) as store:
        (row,) = store.runs()
        return Undisturbed(seconds, there - begun, faults.outcome(store, row["run_id"]))


def _await_run(place: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the command says on stderr which run it has made, or has ended."""
    deadline = time.monotonic() + SECONDS
    while not (place / "err").read_text().startswith("run ") and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def struck(place: Path, name: str, of_run: bool, after: float, whole: dict[str, Any]) -> dict[str, Any]:
    """One trial: {"left", "lost", "seconds", "wrong"}: the state left, completed segments that no checkpoint has, how long the end took,
    and what is not as it should be."""
    process = command(place)
    if of_run:
        _await_run(place, process)
    time.sleep(after)
    asked = time.monotonic()
    process.send_signal(SIGNALS[name])
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return {"left": "hangs", "lost": 0, "seconds": SECONDS, "wrong": "it did not end"}
    seconds = time.monotonic() - asked
    found = _judged(place, code, SIGNALS[name], whole)
    words = (place / "err").read_text()
    if "Traceback" in words:
        found["wrong"] = f"{found['wrong']} a traceback: {words.splitlines()[-1]}".strip()
    return {**found, "seconds": round(seconds, 2)}


def _judged(place: Path, code: int, number: int, whole: dict[str, Any]) -> dict[str, Any]:
    asked = (128 + number, -number)  # the second: before Python took the signal over
    rows: list[dict[str, Any]] = []
    with closing(Store(place / "runs.db")) as store:
        rows = store.runs() if (place / "runs.db").exists() else []
    if not rows:
        return {"left": "no run was made", "lost": 0, "wrong": "" if code in asked else f"exit code {code}"}
    row = rows[0]
    is_expected = code == asked[0] or (code == 0 and row["status"] == "done")
    wrong = "" if is_expected and len(rows) == 1 else f"exit code {code} with {len(rows)} runs, {row['status']}"
    lost = row["cursor"] - (row["saved"] or 0) if row["status"] != "done" else 0
    if lost > 0:
        wrong = f"{wrong} {lost} segments lost besides the one under way".strip()
    if different := faults.differences(faults.resumed(place, row["run_id"]), whole):
        wrong = f"{wrong} resumed, other {', '.join(different)}".strip()
    return {"left": row["status"], "lost": lost, "wrong": wrong}
