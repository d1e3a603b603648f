"""Rows of `runs` and what they mean: columns that follow from the settings, and whether someone is still at work. Knows no database."""

from __future__ import annotations

import time
from typing import Any

from . import liveness
from .config import RunConfig
from .schema import plain

ACTIVE = ("queued", "running", "paused")
ENDED = ("done", "failed", "stopped", "lost")


def described(config: RunConfig) -> dict[str, Any]:
    """The columns of `runs` that follow from the settings."""
    values = {name: plain(getattr(config, name)) for name in ("method", "pruner", "arch", "dataset", "seed", "fingerprint")}
    return values | {"config": plain(config.model_dump(mode="json"))}


def live(row: Any) -> dict[str, Any]:
    """A row as a dict, its status `lost` where it says that someone is at work and nobody is."""
    values = dict(row)
    if "tags" in values:  # rows of before these columns existed have nothing there
        values |= {"tags": values["tags"] or [], "note": values["note"] or "", "archived": bool(values["archived"])}
    if values["status"] in ACTIVE and liveness.is_gone(values, time.time()):
        values["status"] = "lost"
    return values
