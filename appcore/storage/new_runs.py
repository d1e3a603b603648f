"""New runs as rows: all of them in a few statements, for an ablation starts hundreds at once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert, select

from .. import paths
from ..config import RunConfig
from .claims import holder
from .rows import described
from .schema import plain, runs


@dataclass(frozen=True)
class NewRun:
    """What a run is created from."""

    config: RunConfig
    plan_length: int
    title: str = ""
    group: str = ""
    launcher: str = ""


def create(connection: Connection, new: Sequence[NewRun], owner: str, folder: Path) -> list[str]:
    """Add queued runs, held by this process; returns their ids, in order. `folder`: where those of runs lie."""
    now = datetime.now(UTC)
    run_ids = _free_ids(connection, now, len(new), folder)
    common = {"status": "queued", "notes": [], "owner": owner, **holder()}
    rows = [
        {
            **described(run.config),
            **common,
            "run_id": run_id,
            "created": (now + timedelta(microseconds=place)).isoformat(),  # lists are ordered by it
            "group_id": run.group,
            "launcher": run.launcher,
            "segments": run.plan_length,
            "title": plain(run.title),
        }
        for place, (run, run_id) in enumerate(zip(new, run_ids, strict=True))
    ]
    if rows:
        connection.execute(insert(runs), rows)
    return run_ids


def _free_ids(connection: Connection, now: datetime, count: int, folder: Path) -> list[str]:
    """Ids of the second `now` that no run has, not even one of another store in this folder."""
    second = f"{now:%Y%m%d-%H%M%S}-"
    found: list[str] = []
    taken = set(connection.scalars(select(runs.c.run_id).where(runs.c.run_id.startswith(second))))
    while len(found) < count:
        run_id = f"{second}{secrets.token_hex(2)}"
        if run_id not in taken and not paths.run_folder(folder, run_id).exists():
            taken.add(run_id)
            found.append(run_id)
    return found
