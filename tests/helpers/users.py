"""Work done as another user of this machine, in a child of its own: needs root, and a place that everybody may come to."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import faults
import pytest

ADA, BEN, GROUP = 47_001, 47_002, 47_100
NEEDS_ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="other users can be tried by root only")


@contextlib.contextmanager
def group_folder() -> Iterator[Path]:
    """A folder as a group keeps it (2775), which both users may come to, unlike to the folders of tests."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        shared = place / "shared"
        shared.mkdir()
        os.chown(shared, ADA, GROUP)
        shared.chmod(0o2775)
        yield shared


def as_user(user: int, work: Callable[[], object], umask: int = 0o002) -> tuple[int, str]:
    """Do `work` as this user, a member of the group; its result where that is a number (else 0), and what it printed."""
    read, write = os.pipe()

    def child() -> int:
        said = io.StringIO()
        os.setgroups([GROUP])
        os.setgid(GROUP)
        os.setuid(user)
        os.umask(umask)
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                found = work()
        except Exception as error:
            said.write(f"{type(error).__name__}: {error}")
            found = 99
        os.write(write, said.getvalue().encode()[:60_000])
        return found if isinstance(found, int) else 0

    started = faults.fork(child)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    return faults.code_of(started), said
