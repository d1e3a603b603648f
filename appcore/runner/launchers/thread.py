"""Runs in threads of this process."""

from __future__ import annotations

from ..lockstep import LocalJob
from .base import Launcher


class ThreadLauncher(Launcher):
    """Drives runs in this process, in one long-lived daemon thread for each device."""

    _job = LocalJob
