"""The rows of all runs, kept in memory and brought up to date by what has changed: a list of ten thousand runs is not read anew each time.

Whatever pages show of a run changes with a write, and a write raises the revision of its row (claims.py), which begins anywhere. So the
number of runs, the sum of their revisions and the newest time say whether there is anything new at all; then only runs of another revision
are read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Set
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, case, func, select

from ..statuses import ACTIVE
from . import schema
from .claims import is_own
from .heartbeat import Sightings
from .rows import Unreadable, at_present, filled, frame, judged, padded
from .schema import runs

if TYPE_CHECKING:
    import pandas

HEAVY = ("started", "traceback")  # kilobytes each, so lists leave them out
_IN_ONE_STATEMENT = 1_000
_MOST_REVISION = 2**31 - 1
_Row = tuple[bool, dict[str, Any]]


class Known(NamedTuple):
    """A run as it was read: its row with the status that was written, and what is wrong with it."""

    revision: int
    is_own: bool
    row: dict[str, Any]
    bad: Unreadable | None


class KnownRuns:
    """What this process has read of all runs of a store. Thread-safe; the rows are shared and must not be changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: tuple = ()
        self._known: dict[str, Known] = {}  # own runs, the newest first, then recorded ones by id
        self._states: list[tuple[str, int, str]] = []  # id, revision and status as it was written, by id
        self._ends: pandas.DataFrame | None = None  # the newest megabatch of each run, by id
        self._missing: set[str] = set()  # runs whose newest megabatch is to be read again

    def survey(self, connection: Connection, sightings: Sightings) -> tuple[list[_Row], list[tuple[bool, Unreadable]]]:
        """(is own, row) of every run that can be read, own ones first and the newest of them first, and the same of the others."""
        with self._lock:
            self._refresh(connection)
            now = self._at_present(connection, sightings)
            known = list(self._known.items())
        good = [(one.is_own, now.get(run_id, one.row)) for run_id, one in known if not one.bad]
        return good, [(one.is_own, one.bad) for _, one in known if one.bad]

    def states(self, connection: Connection, sightings: Sightings) -> list[tuple[str, int, str]]:
        """(id, revision, status) of every run, also of those that cannot be read, by id."""
        with self._lock:
            self._refresh(connection)
            now = self._at_present(connection, sightings)
            states = self._states
        if not now:
            return states
        return [(run_id, revision, now[run_id]["status"] if run_id in now else status) for run_id, revision, status in states]

    def _at_present(self, connection: Connection, sightings: Sightings) -> dict[str, dict[str, Any]]:
        """The rows of runs that are active, with the status of this moment: heartbeats come without a new revision."""
        active = {run_id: self._known[run_id].row for run_id, _, status in self._states if status in ACTIVE}
        if not active:
            return {}
        beats = dict(connection.execute(select(runs.c.run_id, runs.c.heartbeat).where(runs.c.status.in_(ACTIVE))).all())
        return {run_id: at_present(row | {"heartbeat": beats.get(run_id, row["heartbeat"])}, sightings) for run_id, row in active.items()}

    def newest(self, connection: Connection, run_ids: Set[str]) -> pandas.DataFrame:
        """The newest megabatch of each of these runs, as `rows.frame` gives it."""
        import pandas

        with self._lock:
            self._refresh(connection)
            if self._ends is None:
                self._ends, self._missing = frame(connection, schema.megabatches, list(self._known), (), newest=True), set()
            elif self._missing:
                found = frame(connection, schema.megabatches, padded(self._missing), (), newest=True)
                bad = [one for one in self._ends.attrs.get("unreadable", ()) if one.of not in self._missing]
                kept = self._ends[~self._ends["run_id"].isin(self._missing)]
                self._ends = pandas.concat([part for part in (kept, found) if len(part)] or [found])
                self._ends = self._ends.sort_values("run_id", kind="stable", ignore_index=True)
                self._ends.attrs["unreadable"] = (*bad, *found.attrs.get("unreadable", ()))
                self._missing = set()
            ends = self._ends
        found = ends[ends["run_id"].isin(run_ids)].reset_index(drop=True)
        found.attrs["unreadable"] = tuple(one for one in ends.attrs.get("unreadable", ()) if one.of in run_ids)
        return found

    def _refresh(self, connection: Connection) -> None:
        revision = case((runs.c.revision.between(0, _MOST_REVISION), runs.c.revision), else_=0)  # damage must not overflow the sum
        token = tuple(connection.execute(select(func.count(), func.sum(revision), func.max(runs.c.created))).one())
        if token == self._token:
            return
        there = dict(connection.execute(select(runs.c.run_id, runs.c.revision)).all())
        changed = [run_id for run_id, revision in there.items() if run_id not in self._known or self._known[run_id].revision != revision]
        known = {run_id: one for run_id, one in self._known.items() if run_id in there}
        self._missing |= set(changed) | (self._known.keys() - there.keys())
        for start in range(0, len(changed), _IN_ONE_STATEMENT):
            known |= _read(connection, changed[start : start + _IN_ONE_STATEMENT])
        newest_first = sorted(known, key=lambda run_id: (str(known[run_id].row["created"]), run_id), reverse=True)
        recorded = sorted(run_id for run_id, one in known.items() if not one.is_own)
        self._known = {run_id: known[run_id] for run_id in [*(one for one in newest_first if known[one].is_own), *recorded]}
        self._states = sorted((run_id, one.revision, one.row["status"]) for run_id, one in known.items())
        self._token = token


def _read(connection: Connection, run_ids: Iterable[str]) -> dict[str, Known]:
    light = [column for column in runs.columns if column.name not in HEAVY]
    query = select(is_own().label("is_own"), *light).where(runs.c.run_id.in_(padded(run_ids)))
    found: dict[str, Known] = {}
    for line in connection.execute(query).mappings():
        row = {name: value for name, value in line.items() if name != "is_own"}
        good, bad = judged(runs, [row])
        found[row["run_id"]] = Known(row["revision"], bool(line["is_own"]), filled(good[0] if good else row), bad[0] if bad else None)
    return found
