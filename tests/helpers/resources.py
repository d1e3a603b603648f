"""Faults of the machine below a run, really made: a disk that is full, a store that is locked, a clock that jumps.

Each function makes one in an empty folder, and returns how the run ended and what became of it; AssertionError where it is not well.
"""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import faults
import numpy
import psutil
from PIL import Image

from appcore import paths
from appcore.errors import InputError
from appcore.runner import driver
from appcore.storage import heartbeat
from appcore.storage.store import Store

NOBODY = 65534
SAME = "resumed, the same bits"


def resume(folder: Path, run_id: str, **settings: Any) -> str:
    """Go on with a run; what it leaves must be as if nothing had been."""
    wrong = faults.differences(faults.resumed(folder, run_id), faults.whole("app", **settings))
    assert not wrong, wrong
    return SAME


def row(folder: Path, run_id: str) -> dict[str, Any]:
    """The run as anybody who looks now sees it."""
    with closing(Store(folder / "runs.db")) as store:
        return store.get(run_id)


def ended(folder: Path, run_id: str, *words: str, status: str = "failed") -> str:
    """How the run ended; it must have this status, and one line with these words."""
    found = row(folder, run_id)
    error = found["error"] or ""
    assert found["status"] == status and "\n" not in error, (found["status"], error)
    assert all(word in error for word in words), error
    return f"{status}: {error.replace(str(folder), '...')}"


def drive(folder: Path, run_id: str, before: Callable[[], object] = lambda: None) -> None:
    """Drive a run in a process of its own, which does something first."""
    assert faults.in_child(lambda: (before(), faults.advance(folder, run_id), 0)[-1]) == 0


# ---- disk and store


@contextmanager
def _disk(folder: Path, options: str) -> Iterator[Path]:
    """A small file system; PermissionError where this user cannot make one."""
    place = folder / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False).returncode:
        raise PermissionError
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def _full(folder: Path, free: int) -> tuple[str, str]:
    """Let a disk have `free` bytes left when the run begins; its status and error, and the end after the disk was emptied."""
    with _disk(folder, "size=4m") as disk:
        run_id = faults.new_run(disk, "app")
        left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "other").write_bytes(b"x" * (left - free))
        drive(disk, run_id)
        before = row(disk, run_id)
        with mock.patch.object(heartbeat, "LOST_SECONDS", -1.0):  # a minute without a beat has passed
            later = row(disk, run_id)["status"]
        (disk / "other").unlink()
        return f"{before['status']}, later {later}: {before['error']}".replace(str(disk), "..."), resume(disk, run_id)


def disk_full(folder: Path) -> str:
    before, after = _full(folder, 64 * 1024)
    before = before.replace("failed, later failed", "failed")
    assert before.startswith("failed: ") and "No space left" in before and "free disk space" in before, before
    return f"{before}; {after}"


def disk_full_to_the_last_byte(folder: Path) -> str:
    before, after = _full(folder, 0)
    assert before == "queued, later lost: None", before
    return f"it does not begin, the app's log says why; lost after a minute without a beat; {after}"


def read_only(folder: Path) -> str:
    with _disk(folder, "size=4m") as disk:
        run_id = faults.half_run(disk, "app")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with closing(Store(disk / "runs.db")) as store:
            try:
                driver.drive(store, run_id)
                raise AssertionError("it was driven")
            except InputError as error:
                said = error.message.replace(str(disk), "...")
        assert row(disk, run_id)["status"] == "stopped"
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        return f"refused: {said}; {resume(disk, run_id)}"


def no_permission(folder: Path) -> str:
    with tempfile.TemporaryDirectory() as name:  # everybody may come to it, unlike to the folders of tests
        place = Path(name)
        place.chmod(0o755)
        run_id = faults.new_run(place, "app")
        own = paths.run_folder(place, run_id)
        own.mkdir(mode=0o555)
        is_root = os.geteuid() == 0
        for path in (place, *place.glob("runs.db*")) if is_root else ():
            os.chown(path, NOBODY, NOBODY)
        drive(place, run_id, (lambda: os.setuid(NOBODY)) if is_root else lambda: None)
        said = ended(place, run_id, "Permission denied", "permissions", "resume")
        own.chmod(0o755)
        return f"{said}; {resume(place, run_id)}"


_LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


def _locked(folder: Path, seconds: float) -> str:
    """Begin a run while another process holds the store locked."""
    run_id = faults.new_run(folder, "app")
    command = [sys.executable, "-c", _LOCK, str(folder / "runs.db"), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        drive(folder, run_id)
    return run_id


def locked_10_seconds(folder: Path) -> str:
    run_id = _locked(folder, 9.9)  # the lock is 0.1 s old when the run begins
    found = row(folder, run_id)
    if found["status"] == "done":
        return f"it waits, done; {resume(folder, run_id).removeprefix('resumed, ')}"
    return f"{ended(folder, run_id, 'locked by another program')}; {resume(folder, run_id)}"


def locked_15_seconds(folder: Path) -> str:
    run_id = _locked(folder, 15.0)
    return f"{ended(folder, run_id, 'locked by another program', 'close that program')}; {resume(folder, run_id)}"


# ---- clock and memory


def clock_steps_back(folder: Path) -> str:
    def before() -> None:
        real, calls = time.time, itertools.count()
        time.time = lambda: real() - 3600 * (next(calls) > 20)

    run_id = faults.new_run(folder, "app")
    drive(folder, run_id, before)
    assert row(folder, run_id)["status"] == "done"
    return f"done; {resume(folder, run_id).removeprefix('resumed, ')}"


def killed_while_the_clock_was_ahead(folder: Path) -> str:
    def before() -> None:
        real = time.time
        time.time = lambda: real() + 3600

    run_id = faults.new_run(folder, "app")
    assert faults.struck(folder, run_id, 170, faults.kill, before), "it ended before its 170th operation"
    store = Store(folder / "runs.db")
    store.settle([run_id])  # a heartbeat from the future is watched until it has stood still for long enough
    assert store.get(run_id)["status"] == "lost"
    return f"lost; {resume(folder, run_id)}"


def out_of_memory(folder: Path) -> str:
    settings = {"arch": "resnet56", "batch_size": 1024, "limit_train": 1024, "epochs": 1}  # more than earlier runs have left in the process
    run_id = faults.new_run(folder, "app", **settings)

    def before() -> None:
        most = psutil.Process().memory_info().vms + 100 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    drive(folder, run_id, before)
    return f"{ended(folder, run_id, 'ran out of memory', 'smaller', 'resume')}; with more memory {resume(folder, run_id, **settings)}"


# ---- numbers and data


def infinite_loss(folder: Path) -> str:
    run_id = faults.new_run(folder, "app", lr=100.0, weight_decay=10.0, epochs=8)
    drive(folder, run_id)
    said = ended(folder, run_id, "lr")
    other = faults.new_run(folder, "app")
    drive(folder, other)
    assert row(folder, other)["status"] == "done"
    return f"{said}; the next run is done"


def _images(folder: Path) -> None:
    draw = numpy.random.default_rng(0)
    for part, count in (("train", 20), ("test", 5)):
        for name, number in itertools.product(("cat", "dog"), range(count)):
            path = folder / part / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, 256, (8, 8), dtype=numpy.uint8)).save(path)


def data_gone_before_the_run(folder: Path) -> str:
    return _data_gone(folder, 0)


def data_gone_between_stop_and_resume(folder: Path) -> str:
    return _data_gone(folder, 1)


def _data_gone(folder: Path, checkpoints: int) -> str:
    data, away = folder / "images", folder / "away"
    _images(data)
    settings = {"dataset": f"images:{data}", "limit_train": 0, "limit_test": 0}
    run_id = (faults.half_run if checkpoints else faults.new_run)(folder, "app", **settings)
    data.rename(away)
    drive(folder, run_id)
    said = ended(folder, run_id, "images", status="stopped" if checkpoints else "failed")
    away.rename(data)
    return f"{said}; put back, {resume(folder, run_id, **settings)}"


def data_gone_under_way(folder: Path) -> str:
    data = folder / "images"
    _images(data)
    settings = {"dataset": f"images:{data}", "limit_train": 0, "limit_test": 0}
    undisturbed = faults.whole("app", **settings)
    run_id = faults.new_run(folder, "app", **settings)
    store = Store(folder / "runs.db")
    statuses = driver.steps(store, run_id)
    while not paths.manifests(paths.run_folder(folder, run_id)):
        next(statuses)
    data.rename(folder / "away")
    assert [*statuses][-1] == "done"
    assert not faults.differences(faults.outcome(store, run_id), undisturbed)
    store.close()
    return "done, the same bits: images are read once, at the beginning"


FAULTS: dict[str, Callable[[Path], str]] = {
    "disk full: 64 KiB left": disk_full,
    "disk full to the last byte": disk_full_to_the_last_byte,
    "file system read-only": read_only,
    "the run's folder without permission": no_permission,
    "store locked for 10 s by another process": locked_10_seconds,
    "store locked for 15 s by another process": locked_15_seconds,
    "clock steps back by an hour during a run": clock_steps_back,
    "killed while the clock was an hour ahead": killed_while_the_clock_was_ahead,
    "no more memory for the process (RLIMIT_AS)": out_of_memory,
    "the loss becomes infinite (lr 100)": infinite_loss,
    "image folder gone before the run": data_gone_before_the_run,
    "image folder gone between stop and resume": data_gone_between_stop_and_resume,
    "image folder gone during the run": data_gone_under_way,
}
