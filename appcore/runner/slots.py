"""Slots: a queue for this machine's cores and GPUs, shared by all programs of one user. Knows no runs and no torch.

A slot is a CPU core, or a GPU. Two training programs that share the same cores take many times as long as one after the other, so each
takes as many slots as it computes with threads and waits for them in order of arrival. A place in the line is a file that its holder
keeps locked: the system lets go of the lock when the holder dies, however it dies, and the next one to look removes the file.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

SLOTS_VARIABLE = "APPCORE_SLOTS"
SHARE_VARIABLE = "APPCORE_SHARE"
POLL_SECONDS = 0.2  # how often a waiting program checks again
_numbers = count()


def folder() -> Path:
    """Where the places in the line lie: APPCORE_SLOTS, or a folder for each user and host among the temporary files."""
    named = os.environ.get(SLOTS_VARIABLE)
    return Path(named) if named else Path(tempfile.gettempdir()) / f"appcore-slots-{os.getuid()}-{socket.gethostname()}"


def is_sharing() -> bool:
    """Whether this program may train at once although others do: APPCORE_SHARE=1, or --share."""
    return os.environ.get(SHARE_VARIABLE, "") not in ("", "0")


def device_of(wanted: str) -> str:
    """The device that `auto`, `cpu` or `cuda` means here. Asks the graphics driver, not torch, whose import would hold up the page."""
    if wanted != "auto":
        return wanted
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return "cpu"
    try:
        import pynvml

        pynvml.nvmlInit()
        return "cuda" if pynvml.nvmlDeviceGetCount() else "cpu"
    except Exception:  # no library, no driver, no device: all the same here
        return "cpu"


class Slot:
    """A place in the line of one device, from the first `take` to `release`. Not for use by several threads at once."""

    def __init__(self, device: str):
        self._device = device
        self._file: int | None = None
        self._path = Path()
        self.is_taken = False
        self.waits_for = ""  # what is ahead in the line, in words; empty when nothing is

    def take(self, need: int, what: str, at_once: bool = False) -> bool:
        """Whether `need` slots are ours now; asked again and again, the place in the line stays. `what` is shown to those behind us.

        With `at_once` they are taken even if others hold them. Where no file can be locked there is no line, and every program may begin.
        """
        try:
            with _mutex() as place:
                others = [other for other in _others(place, self._path.name) if other["device"] == self._device]
                if self._file is None:
                    self._join(place)
                training = [other for other in others if other["is_training"]]
                earlier = [other for other in others if not other["is_training"] and other["name"] < self._path.name]
                taken = sum(other["need"] for other in training)
                is_free = not earlier and (not training or taken + need <= _capacity(self._device))
                self.is_taken = is_free or at_once or is_sharing()
                self._write(need=need, what=what, is_training=self.is_taken)
                before = [] if self.is_taken else training + earlier
                self.waits_for = " and ".join(f"{other['what']} (process {other['pid']})" for other in before)
        except OSError:
            self.is_taken, self.waits_for = True, ""
        return self.is_taken

    def release(self) -> None:
        """Leave the line or free the slots; does nothing when neither is held."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            with suppress(OSError):
                os.close(self._file)
            self._file, self._path = None, Path()
        self.is_taken, self.waits_for = False, ""

    def _join(self, place: Path) -> None:
        self._path = place / f"{time.time_ns():020d}-{os.getpid()}-{next(_numbers)}.slot"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def _write(self, **facts: Any) -> None:
        assert self._file is not None
        data = json.dumps({**facts, "device": self._device, "pid": os.getpid()}).encode()
        os.pwrite(self._file, data, 0)
        os.ftruncate(self._file, len(data))


@contextmanager
def turn(device: str, need: int, what: str, is_over: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Wait for slots, reporting on stderr what is ahead, and hold them for a block; once `is_over` the block begins without them."""
    slot, said = Slot(device), ""
    try:
        while not is_over() and not slot.take(need, what):
            if slot.waits_for != said:
                said = slot.waits_for
                print(f"waiting for {said}", file=sys.stderr)
            time.sleep(POLL_SECONDS)
        yield
    finally:
        slot.release()


def _capacity(device: str) -> int:
    """Slots of a device on this machine."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _mutex() -> Iterator[Path]:
    """Lock the folder for reading and changing it, and yield it. OSError where that fails, or where it is another user's."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = place.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.getuid():  # a link could lead anywhere
        raise OSError(f"{place} is a link, or belongs to another user")
    file = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield place
    finally:
        os.close(file)


def _others(place: Path, mine: str) -> list[dict[str, Any]]:
    """The other places in the line, in order of arrival; those whose holder has died are removed."""
    found = []
    for path in sorted(path for path in place.glob("*.slot") if path.name != mine):
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with suppress(ValueError):  # not written yet, or garbage: there is no program to wait for
                found.append({**json.loads(os.read(file, 10_000)), "name": path.name})
        else:
            path.unlink(missing_ok=True)
        finally:
            os.close(file)
    return found
