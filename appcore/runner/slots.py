"""Slots: a queue for this machine's cores and GPUs, shared by all programs of one user. Knows no runs and no torch.

A slot is a CPU core, or a GPU. Two training programs that share the same cores take many times as long as one after the other, so each
takes as many slots as it computes with threads and waits for them in order of arrival; of a GPU it may take a share. It also waits until
the memory that it needs is there beside the others. A place in the line is a file that its holder keeps locked: the system lets go of the
lock when the holder dies, however it dies, and the next one to look removes the file.
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import hardware

SLOTS_VARIABLE = "APPCORE_SLOTS"
SHARE_VARIABLE = "APPCORE_SHARE"
WORKERS_VARIABLE = "APPCORE_WORKERS"
MOST_WORKERS = 1024
POLL_SECONDS = 0.2  # how often a waiting program checks again
_MEMORY_SHARE = 0.85  # of the memory that runs beside each other may take by their estimates; the rest is for everything else
_numbers = count()


def folder() -> Path:
    """Where the places in the line lie: APPCORE_SLOTS, or a folder for each user and host among the temporary files."""
    named = os.environ.get(SLOTS_VARIABLE)
    return Path(named) if named else Path(tempfile.gettempdir()) / f"appcore-slots-{os.getuid()}-{socket.gethostname()}"


def is_sharing() -> bool:
    """Whether this program may train at once although others do: APPCORE_SHARE=1, or --share."""
    return os.environ.get(SHARE_VARIABLE, "") not in ("", "0")


def workers() -> int | None:
    """How many runs may train at once in processes of their own, by APPCORE_WORKERS or --workers; None: as many as there is room for."""
    text = os.environ.get(WORKERS_VARIABLE, "")
    if text and not (text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MOST_WORKERS):
        raise InputError(f"{WORKERS_VARIABLE}: {text!r} is no number of workers; set it to 1 to {MOST_WORKERS}, or unset it", "workers")
    return int(text) if text else None


class Slot:
    """A place in the line of one device, from the first `take` to `release`. Not for use by several threads at once.

    `gpu`: the name of the only GPU that may be taken; else it becomes that of the first one that was. "" for the CPU.
    """

    def __init__(self, device: str, gpu: str | None = None):
        self._device, self.gpu = device, "" if device == "cpu" else gpu
        self._file: int | None = None
        self._path = Path()
        self.is_taken = False
        self.ahead: list[dict[str, Any]] = []  # what it waits for

    @property
    def waits_for(self) -> str:
        """What is ahead in the line, in words; empty when nothing is."""
        return in_words(self.ahead)

    def take(self, need: float, what: str, at_once: bool = False, *, size: int = 0, most: int | None = None) -> bool:
        """Whether `need` slots, and `size` bytes of memory, are ours now; asked again and again, the place in the line stays.

        `what` is shown to those behind us. `most`: so many may train, in place of as many as there are slots for. With `at_once` they are
        taken even if others hold them. Where no file can be locked there is no line, and every program may begin.
        """
        try:
            with _mutex() as folder:
                others = [other for other in _others(folder, self._path.name) if other["device"] == self._device]
                if self._file is None:
                    self._join(folder)
                training = [other for other in others if other["is_training"]]
                earlier = [other for other in others if not other["is_training"] and other["name"] < self._path.name]
                emptiest = _emptiest(self._device, self.gpu, training)
                is_free = not earlier and _has_room(self._device, emptiest, need, size, training, most)
                self.is_taken = is_free or at_once or is_sharing()
                if self.is_taken:
                    self.gpu = emptiest
                self._write(need=need, size=size, gpu=self.gpu, what=what, is_training=self.is_taken)
                self.ahead = [] if self.is_taken else training + earlier
        except OSError:
            self.is_taken, self.gpu, self.ahead = True, self.gpu or _places(self._device)[0], []
        return self.is_taken

    def release(self) -> None:
        """Leave the line or free the slots; does nothing when neither is held."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            with suppress(OSError):
                os.close(self._file)
            self._file, self._path = None, Path()
        self.is_taken, self.ahead = False, []

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
def turn(
    device: str, need: float, what: str, is_over: Callable[[], bool] = lambda: False, *, size: int = 0, gpu: str | None = None
) -> Iterator[None]:
    """Wait for slots, reporting on stderr what is ahead, and hold them for a block; once `is_over` the block begins without them."""
    slot, said = Slot(device, gpu), ""
    try:
        while not is_over() and not slot.take(need, what, size=size):
            if slot.waits_for != said:
                said = slot.waits_for
                print(f"waiting for {said}", file=sys.stderr)
            time.sleep(POLL_SECONDS)
        yield
    finally:
        slot.release()


def in_words(found: Iterable[Mapping[str, Any]]) -> str:
    """What trains or waits, for those who wait for it."""
    return " and ".join(f"{one['what']} (process {one['pid']})" for one in found)


def survey() -> list[dict[str, Any]]:
    """Everything in the lines of this machine, in order of arrival: device, gpu, what, pid, need, size, is_training."""
    try:
        with _mutex() as folder:
            return _others(folder, "")
    except OSError:
        return []


def room(device: str, need: float, size: int) -> int:
    """How many jobs that need so many slots and bytes each would train at once if nothing else did."""
    fits = 0
    for place in _places(device):
        slots, memory = _capacity(device, place)
        fits += max(1, min(int(slots / need), int(_MEMORY_SHARE * memory / size) if memory and size else int(slots / need)))
    return fits if device == "cpu" else max(1, min(fits, hardware.cores()))


def _has_room(device: str, place: str, need: float, size: int, training: Sequence[Mapping[str, Any]], most: int | None) -> bool:
    """Whether one more may train at a place of a device. Who is alone there may, whatever it needs."""
    here = [other for other in training if (other.get("gpu") or "") == place]
    if most is not None and len(training) >= most:
        return False
    slots, memory = _capacity(device, place)
    has_slots = sum(other["need"] for other in here) + need <= slots and (device == "cpu" or len(training) < hardware.cores())
    has_memory = not memory or sum(other.get("size", 0) for other in here) + size <= _MEMORY_SHARE * memory
    return not here or ((has_slots or most is not None) and has_memory)


def _emptiest(device: str, gpu: str | None, training: Sequence[Mapping[str, Any]]) -> str:
    """The place of a device of which the least is taken: a GPU by its name, "" for the CPU."""
    taken = {place: sum(other["need"] for other in training if (other.get("gpu") or "") == place) for place in _places(device)}
    return gpu if gpu is not None else min(taken, key=taken.__getitem__)


def _places(device: str) -> list[str]:
    return ([] if device == "cpu" else [gpu.name for gpu in hardware.gpus()]) or [""]


def _capacity(device: str, place: str) -> tuple[float, int]:
    """Slots of a place, and the bytes of its memory; 0: not known."""
    if device == "cpu":
        return hardware.cores(), hardware.memory()
    return 1, next((gpu.memory for gpu in hardware.gpus() if gpu.name == place), 0)


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
