"""Tests of several pytest workers beside each other, and at times one of them alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turns:
    """Two locked files in a folder that all workers share. Whoever waits to be alone holds the door, so that nobody else comes in."""

    def __init__(self, folder: Path):
        self._door, self._room = (folder / "door").open("w"), (folder / "room").open("w")

    @contextmanager
    def turn(self, is_alone: bool) -> Iterator[None]:
        """Wait for one's turn; the locks of a worker that dies are gone with it."""
        import fcntl  # not on Windows, where tests run beside each other all the time

        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)
