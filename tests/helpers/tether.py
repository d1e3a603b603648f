"""Whatever the tests start ends with them: a guard outlives pytest and kills what is left, however pytest ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time

import psutil

MARK = "APPCORE_TESTED_BY"  # in the environment of all that tests start; several names where one pytest runs within another
POLL_SECONDS = 0.3
_guards: list[subprocess.Popen] = []  # kept, or Python would warn that they still run


def begin() -> None:
    """Mark what this process starts from here on, and start the guard."""
    if sys.platform == "win32" or _guards:  # there the parent of a process never changes
        return
    name = secrets.token_hex(8)
    os.environ[MARK] = f"{os.environ.get(MARK, '')} {name}".strip()
    command = [sys.executable, __file__, str(os.getpid()), name]
    # In a session of its own, since a terminal that closes ends all of the other; without the pipes that somebody may read to their end.
    nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    _guards.append(subprocess.Popen(command, start_new_session=True, **nothing))


def marked(name: str) -> list[psutil.Process]:
    """The other processes that carry a mark."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _carries(process, name)]


def _carries(process: psutil.Process, name: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return name in process.environ().get(MARK, "").split()
    return False


def _guard(parent: int, name: str) -> None:
    """Wait until the parent is gone, then kill what carries the mark, also what is started meanwhile."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    while found := marked(name):
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    _guard(int(sys.argv[1]), sys.argv[2])
