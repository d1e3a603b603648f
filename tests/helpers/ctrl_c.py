"""Ctrl-C, SIGTERM and SIGHUP for what tests start: as in a terminal, also where the shell that started pytest, or nohup, ignores them and
all its children would."""

from __future__ import annotations

import signal


def obey() -> None:
    """For `preexec_fn`: Python then starts with the handler that raises KeyboardInterrupt, and the other two end it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
