"""The log of a run: what the worker process that drives it prints, a file in the run's folder. Runs that a worker drives in lockstep have
one log, under a name in the folder of each. What a later worker prints follows what the earlier ones have printed. Programs may print
anything, so it is given out as plain text."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from .. import files, paths

MOST_BYTES = 20_000_000  # that are read of one at a time, and kept of earlier workers: its last ones
_AGAIN = "──── another worker took the run, "  # begins the line between two
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
    """A log of runs whose folders lie in `folder`, for a new worker: a new file that begins with what was printed before, and the time."""
    folders = [paths.run_folder(folder, run_id) for run_id in run_ids]
    first, *others = map(paths.worker_log, folders)
    before = b"".join(dict.fromkeys(filter(None, map(_before, folders))))[-MOST_BYTES:]  # runs in lockstep had the same log mostly
    log = files.fresh(first)
    if before:
        mark = f"{_AGAIN}{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC ────\n"
        log.write(before.rstrip(b"\n") + b"\n" + mark.encode())
        log.flush()
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
    data, size, written = _end(run_folder, most)
    return Log(_plain(data.decode("utf-8", "replace")), size, size > most, written) if size else None


def of_last_worker(run_folder: Path) -> str:
    """What the worker that took the run last has printed, as it was printed; empty where that cannot be read."""
    with suppress(files.UnreadableError):
        text = _end(run_folder, MOST_BYTES)[0].decode(errors="replace")
        return text.rpartition(_AGAIN)[2].partition("\n")[2] if _AGAIN in text else text
    return ""


def _before(run_folder: Path) -> bytes:
    """What the workers until now have printed, the end of it; what cannot be read now is no reason not to begin."""
    with suppress(files.UnreadableError):
        return _end(run_folder, MOST_BYTES)[0]
    return b""


def _end(run_folder: Path, most: int) -> tuple[bytes, int, float]:
    """The last `most` bytes of a run's log from the beginning of a line, the bytes of all of it, and when it was last written."""
    path = paths.worker_log(run_folder)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a link leads elsewhere, and reading a pipe may never end
            return b"", 0, 0.0
        data, size, written = files.tail(path, most)
    except files.ABSENT:
        return b"", 0, 0.0
    except OSError as error:
        raise files.UnreadableError(path, error) from error
    return (data.partition(b"\n")[2] or data if size > most else data), size, written


def last_lines(log: Log, most: int) -> Log:
    """The same, but for all lines before the last `most`."""
    lines = log.text.splitlines(keepends=True)
    return log._replace(text="".join(lines[-most:]), is_cut=log.is_cut or len(lines) > most)


def _plain(text: str) -> str:
    """Text without what is meant for a terminal. Of a line that was written over again and again, as progress bars do, the last stays."""
    lines = (line.rstrip("\r").rpartition("\r")[2].expandtabs() for line in _CONTROL.sub("", text).split("\n"))
    return "".join(one if one.isprintable() or one in _SPACES else "?" for one in "\n".join(lines))
