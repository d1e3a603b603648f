"""appcore: train networks on data streams while pruning them, and record what happens.

    from appcore import RunConfig, run
    for event in run(RunConfig(arch="resnet20", dataset="digits")):
        print(event)

Floors (a module imports from lower floors, or from its own without a circle; tests/test_floors.py checks it):

0. config presets events seeds plugins paths - values and names; no torch at import
1. datasets models pruners schedules methods masks metrics flops - one file per choice, and what they share
2. plan stream state training pruning engine estimate - a plan carried out as a generator of events
3. store checkpoint driver launchers manager results - where runs are kept, driven and commanded
4. cli doctor checks charts ui - what users touch

The test holds the full list.

`config` and `plan` import no torch, and neither does this file, so that a form never starts CUDA.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .config import RunConfig
from .errors import InputError

if TYPE_CHECKING:
    from .events import Event

__all__ = ["InputError", "RunConfig", "run"]
__version__ = "0.1.0"


def run(config: RunConfig) -> Iterator[Event]:
    """Carry out a run in memory and yield its events (appcore.events). InputError for what a user can fix."""
    from .engine.loop import start

    return start(config)
