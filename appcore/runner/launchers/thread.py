"""Runs in this process, in one long-lived daemon thread for each device."""

from __future__ import annotations

from ...storage.store import Store
from ..engine_port import Work
from ..lockstep import LocalJob
from .base import Job

CHOICES = {"thread": "In this program"}
IN_THIS_PROCESS = True


def start(store: Store, run_ids: list[str], work: Work | None) -> Job:
    """A job whose runs train in the thread that calls `advance`."""
    return LocalJob(store, run_ids, work)
