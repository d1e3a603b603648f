"""One thread for all that a command trains: the last bits of its results depend neither on the machine's cores nor on workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "APPCORE_THREADS"  # as in engine/threads.py, which brings torch along and reads it when it is imported: enter the block before


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block this program, if it has not trained yet, and worker processes that it starts compute with one thread."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
