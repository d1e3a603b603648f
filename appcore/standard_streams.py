"""stdin, stdout and stderr as programs that start here need them: there, and no reason to end a run when one of them fails."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class Output(io.TextIOWrapper):
    """stdout or stderr: from the first that cannot be written on, e.g. to a reader that went away, all is dropped. `error` says why."""

    error: OSError | None = None
    replaced: Any = None  # kept: forgotten, it would close what it shares with this one

    def write(self, text: str) -> int:
        """Write, or drop."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or drop."""
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        self.error = self.error or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def prepare() -> None:
    """Open what this program was started without, and let a stream that fails fail alone. To be called before files are opened.

    The next file would have the number of a closed stream otherwise: the store could get number 2, and what libraries print go into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115
    sys.stdout, sys.stderr = _output(sys.stdout), _output(sys.stderr)


def _output(stream: Any) -> Output:
    about = {"encoding": stream.encoding, "errors": "backslashreplace", "line_buffering": stream.line_buffering}
    found = Output(stream.buffer, write_through=stream.write_through, **about)
    found.replaced = stream
    return found


def finish(code: int) -> int:
    """Write out what is left; the exit code, 1 where stdout could not take what it was given. A reader that went away is no error."""
    sys.stdout.flush()
    error = getattr(sys.stdout, "error", None)
    if error is not None and not isinstance(error, BrokenPipeError):
        print(f"error: stdout could not be written ({error.strerror}); what was stored is stored", file=sys.stderr)
        code = code or 1
    sys.stderr.flush()
    return code
