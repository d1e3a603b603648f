"""Ask a command line that trains to end, by SIGTERM or SIGHUP, at any moment of its life: what it leaves, and what a resume makes of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import ctrl_c
import faults

from appcore.storage.store import Store

SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}
# A few seconds long, in short segments, so that most moments of its training have segments that no checkpoint has yet.
RUN = ["--arch", "mlp", "--megabatches", "3", "--epochs", "16", "--batch-size", "16", "--limit-train", "600", "--device", "cpu", "--json"]
SECONDS = 120  # one that has not ended by then hangs


def command(place: Path, *more: str) -> subprocess.Popen[bytes]:
    """`run` in a store of its own, with signals as a shell leaves them."""
    root = str(Path(__file__).parents[2])
    around = {**os.environ, "APPCORE_STORE": str(place / "runs.db"), "APPCORE_SLOTS": str(place / "slots"), "PYTHONPATH": root}
    place.mkdir(parents=True, exist_ok=True)
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        arguments = [sys.executable, "-m", "appcore", "run", *RUN, *more]
        return subprocess.Popen(arguments, cwd=place, env=around, stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=ctrl_c.obey)


def undisturbed(place: Path) -> tuple[float, dict[str, Any]]:
    """How many seconds the command takes, and what it leaves."""
    begun = time.monotonic()
    process = command(place)
    assert process.wait(SECONDS) == 0, (place / "err").read_text()
    took = time.monotonic() - begun
    with closing(Store(place / "runs.db")) as store:
        (row,) = store.runs()
        return took, faults.outcome(store, row["run_id"])


def struck(place: Path, name: str, after: float, whole: dict[str, Any], *more: str) -> dict[str, Any]:
    """One trial: the signal `after` seconds; {"left", "lost", "seconds", "wrong"}: the state left, completed segments without a checkpoint,
    how long the end took, and what is not as it should be."""
    process = command(place, *more)
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
    return {**found, "seconds": seconds}


def _judged(place: Path, code: int, number: int, whole: dict[str, Any]) -> dict[str, Any]:
    asked = (128 + number, -number)  # the second: before Python took the signal over, or after it had let go of it
    rows: list[dict[str, Any]] = []
    with closing(Store(place / "runs.db")) as store:
        rows = store.runs() if (place / "runs.db").exists() else []
    if not rows:
        return {"left": "no run was made", "lost": 0, "wrong": "" if code in asked else f"exit code {code}"}
    row = rows[0]
    is_expected = code in asked or (code == 0 and row["status"] == "done")
    wrong = "" if is_expected and len(rows) == 1 else f"exit code {code} with {len(rows)} runs, {row['status']}"
    lost = row["cursor"] - (row["saved"] or 0) if row["status"] != "done" else 0
    if lost > 1:
        wrong = f"{wrong} {lost} segments lost".strip()
    if different := faults.differences(faults.resumed(place, row["run_id"]), whole):
        wrong = f"{wrong} resumed, other {', '.join(different)}".strip()
    return {"left": row["status"], "lost": lost, "wrong": wrong}


def moments(count: int, took: float) -> list[float]:
    """Moments at random over the life of the command and a little beyond."""
    draw = random.Random(0)
    return [draw.uniform(0.0, 1.05 * took) for _ in range(count)]
