"""Ctrl-C for what tests start: as in a terminal, also where the shell that started pytest ignores it and all its children would."""

from __future__ import annotations

import signal


def obey() -> None:
    """For `preexec_fn`: Python then starts with the handler that raises KeyboardInterrupt."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
