"""The log of a run: what the worker process that drives it prints, a file in the run's folder. Runs that a worker drives in lockstep have
one log, under a name in the folder of each. Programs may print anything, so it is given out as plain text."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from .. import files, paths

MOST_BYTES = 20_000_000  # that are read of one at a time, its last ones
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^-~])")  # ECMA-48: colours, titles, moves
_SPACES = "\n\u00a0"


class Log(NamedTuple):
    """The end of a log: its text, the bytes of the whole file, whether they are more than the text's, and when it was last written
    (seconds since 1970)."""

    text: str
    size: int
    is_cut: bool
    written: float


def begin(folder: Path, run_ids: Sequence[str]) -> IO[bytes]:
    """A new, empty log of runs whose folders lie in `folder`, in the place of what was printed before."""
    first, *others = (paths.worker_log(paths.run_folder(folder, run_id)) for run_id in run_ids)
    log = files.fresh(first)
    for other in others:
        with suppress(OSError):  # a file system without hard links: the log is then that of the first run alone
            other.parent.mkdir(parents=True, exist_ok=True)
            other.unlink(missing_ok=True)
            os.link(first, other)
    return log


def read(run_folder: Path, most: int = MOST_BYTES) -> Log | None:
    """The last `most` bytes of a run's log as text, from the beginning of a line; None where nothing was printed.

    UnreadableError where it cannot be read now.
    """
    path = paths.worker_log(run_folder)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a link leads elsewhere, and reading a pipe may never end
            return None
        data, size, written = files.tail(path, most)
    except files.ABSENT:
        return None
    except OSError as error:
        raise files.UnreadableError(path, error) from error
    is_cut = size > len(data)
    if is_cut:
        data = data.partition(b"\n")[2] or data
    return Log(_plain(data.decode("utf-8", "replace")), size, is_cut, written) if size else None


def last_lines(log: Log, most: int) -> Log:
    """The same, but for all lines before the last `most`."""
    lines = log.text.splitlines(keepends=True)
    return log._replace(text="".join(lines[-most:]), is_cut=log.is_cut or len(lines) > most)


def _plain(text: str) -> str:
    """Text without what is meant for a terminal. Of a line that was written over again and again, as progress bars do, the last stays."""
    lines = (line.rstrip("\r").rpartition("\r")[2].expandtabs() for line in _CONTROL.sub("", text).split("\n"))
    return "".join(one if one.isprintable() or one in _SPACES else "?" for one in "\n".join(lines))
