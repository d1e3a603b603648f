"""The store, the only thing that runs and pages share. SQLite file by default, PostgreSQL by URL. Knows no torch.

SQLite keeps its rollback journal instead of WAL: versions before 3.51.3 can corrupt a WAL that has several writers, WAL fails on
network home folders, and one file is easy to copy.
"""

from __future__ import annotations

import copy
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, and_, case, delete, func, insert, not_, or_, select, true, update

from .. import paths
from ..config import RunConfig
from ..errors import InputError
from ..files import UnreadableError
from ..statuses import ACTIVE, COMMANDS, ENDED, STARTED
from . import claims, heartbeat, new_runs, readers, schema
from .ablations import AblationTable
from .claims import TakenOverError, is_held_by
from .classroom.phones import Phones
from .classroom.teacher import Teacher
from .database import Database, StoreError
from .kept.saved_addresses import SavedAddresses
from .kept.sign_outs import SignOuts
from .kept.workers import Workers
from .known_runs import HEAVY
from .new_runs import NewRun
from .ownership import RunFiles
from .row_rules import RUN_ID
from .rows import Unreadable, described, frame, has, judged, live, named, padded, readable, record, record_new, remove, survey
from .schema import plain, runs, sweeps

if TYPE_CHECKING:
    import pandas

    from ..events import Event

_LIFE = (runs.c.run_id, runs.c.status, runs.c.command, runs.c.pid, runs.c.host, runs.c.process_started, runs.c.heartbeat)
_WATCH_POLL_SECONDS = 0.25
_MOST_AT_WORK = 500
_PROCESS = ("status", "launcher", "pid", "host", "process_started")

__all__ = ["ACTIVE", "COMMANDS", "ENDED", "NewRun", "Store", "StoreError", "TakenOverError"]


class Store:
    """Runs and their events. Thread-safe; every call is one short transaction. Problems raise StoreError (an InputError)."""

    def __init__(self, address: str | Path | None = None, *, busy_seconds: float = 10.0):
        self._database = Database(address if address is not None else paths.store_address(), busy_seconds)
        self.url: str = self._database.url
        self.folder: Path = self._database.folder
        self.files = RunFiles(self._database)
        self.ablations = AblationTable(self._database)
        self.sign_outs = SignOuts(self._database)
        self.saved_views = SavedAddresses(self._database, "view")
        self.saved_presets = SavedAddresses(self._database, "preset")
        self.workers = Workers(self._database)
        self.classes, self.phones = Teacher(self._database), Phones(self._database)
        self.owner = ""  # of the runs that are added here
        self._mine: tuple = ()  # what a row of `runs` must fulfil to be changed here; but recorded ones are changed by nobody
        self._seen: tuple = ()  # ... to be seen here: also what others share

    def of(self, owner: str, *, sees_all: bool = False) -> Store:
        """This store as one user sees it: runs that they add are theirs, and unless `sees_all` no others exist but those that are shared
        with them, which they only read."""
        return self._view(self._database, owner, sees_all)

    def _view(self, database: Database, owner: str, sees_all: bool) -> Store:
        seen = copy.copy(self)
        mine = or_(runs.c.owner == owner, not_(claims.is_own()))
        seen._database, seen.owner = database, owner
        seen._mine, seen._seen = ((), ()) if sees_all else ((mine,), (or_(mine, readers.may_read(owner)),))
        seen.ablations = AblationTable(database, owner, sees_all)
        seen.saved_views, seen.saved_presets = SavedAddresses(database, "view", owner), SavedAddresses(database, "preset", owner)
        seen.classes = Teacher(database, owner, sees_all)
        return seen

    @contextmanager
    def alone(self) -> Iterator[Store]:
        """This store in one transaction that overlaps no other of this kind: what is checked there still holds when it is changed.

        Nothing slow belongs there: meanwhile nobody starts a run, and with SQLite nobody writes.
        """
        with self._database.alone() as connection:
            yield self._view(self._database.within(connection), self.owner, not self._mine)

    def exists(self) -> bool:
        """Whether there is a store at this address already; looking does not create one. UnreadableError where that cannot be seen."""
        file = self._database.file
        if file is None:
            return True
        try:
            return file.exists()
        except OSError as error:  # a folder above it that may not be entered
            raise UnreadableError(file, error) from error

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        self._database.engine.dispose()

    # ---- writing

    def create_run(self, config: RunConfig, *, group: str = "", launcher: str = "", plan_length: int, title: str = "") -> str:
        """Add a queued run owned by this process; returns its id."""
        return self.create_runs([NewRun(config, plan_length, title, group, launcher)])[0]

    def create_runs(self, new: Sequence[NewRun]) -> list[str]:
        """Add queued runs owned by this process, all of them or none; returns their ids, in order."""
        with self._database.write() as connection:
            return new_runs.create(connection, new, self.owner, self.folder)

    def add(
        self,
        run_id: str,
        config: RunConfig,
        events: Iterable[Event],
        *,
        seqs: Sequence[int],
        place: Callable[[Connection], None],
        **columns: Any,
    ) -> None:
        """Add a run that ended elsewhere, all of it in one transaction; InputError when its id is taken.

        `place` moves its files into place at the end of the transaction, when no other process can touch the same run; see RunFiles.
        """
        values = described(config) | {name: plain(value) for name, value in columns.items()}
        values |= {"owner": self.owner, "heartbeat": time.time()}
        with self._database.alone() as connection:
            if has(connection, run_id):
                raise InputError(f"run {run_id} is in this store already", "run_id")
            connection.execute(insert(runs).values(run_id=run_id, **values))
            record_new(connection, run_id, events, seqs)
            place(connection)

    def write(
        self, run_id: str, events: Iterable[Event] = (), *, seqs: Sequence[int] | None = None, fence: str | None = None, **columns: Any
    ) -> None:
        """Write events and columns of `runs` in one transaction; an event written again overwrites itself.

        `seqs` says for each event which one of its kind in its segment it is (default: the first). With the `fence` of a claim nothing is
        written, and TakenOverError raised, once another claim has followed.
        """
        events = list(events)
        changes = {name: value for event in events for name, value in schema.columns(event).items()}
        with self._database.write() as connection:
            claims.change(connection, run_id, changes | columns, self._mine, fence)
            for event, nth in zip(events, seqs or [0] * len(events), strict=True):
                record(connection, run_id, event, nth)

    def update(self, run_id: str, **columns: Any) -> None:
        """Change columns of a run."""
        self.write(run_id, **columns)

    def claim(self, run_id: str, allowed: Sequence[str], **columns: Any) -> dict[str, Any]:
        """Take over a run whose status is one of `allowed` for this process, so that two processes never drive one run.

        Returns the row as it was before, with the `fence` of this claim.
        """
        with self._database.write() as connection:
            return claims.claim(connection, run_id, allowed, self._mine, self._database.sightings, columns)

    def rewind(self, run_id: str, cursor: int, *, fence: str | None = None, **columns: Any) -> None:
        """Drop the rows of segments from `cursor` on, which a resume will write again; `fence` as in `write`."""
        with self._database.write() as connection:
            claims.change(connection, run_id, {"cursor": cursor, **columns}, self._mine, fence)
            for table in schema.EVENT_TABLES:
                connection.execute(delete(table).where(table.c.run_id == run_id, table.c.segment >= cursor))

    def beat(self, run_ids: list[str]) -> None:
        """Record a heartbeat for those of these runs that this process still owns, but for those that were written just now, which recorded
        one. No new revision: a page shows nothing of it."""
        now = time.time()
        is_new = runs.c.heartbeat.between(now - heartbeat.BEAT_SECONDS / 2, now)
        with self._database.write() as connection:
            chosen = (runs.c.run_id.in_(run_ids), is_held_by(heartbeat.me()), or_(runs.c.heartbeat.is_(None), not_(is_new)))
            claims.hold(connection, chosen)
            connection.execute(update(runs).where(*chosen).values(heartbeat=now))

    def delete(self, run_id: str, is_so: Callable[[dict[str, Any]], bool] = lambda row: True) -> bool:
        """Remove an ended run with its rows, and then its files, unless those are another store's; InputError for an active one.

        Also one that cannot be read. Whether it was removed: `is_so` may refuse, judged in the same transaction.
        """
        run_id = self.find(run_id)
        with self.files.leaving(run_id) as leave, self._database.alone() as connection:
            row = claims.locked(connection, run_id, self._mine, self._database.sightings)
            if row["status"] in ACTIVE:
                raise InputError(f"run {run_id} is {row['status']}; stop it before deleting it", "run_id")
            if not is_so(row):
                return False
            if re.fullmatch(RUN_ID, run_id):  # whoever could write the row could write any path there
                leave(connection)
            remove(connection, run_id)
        return True

    def delete_recorded(self, run_id: str) -> None:
        """Remove a recorded run with its rows and files; nothing where there is none."""
        with self.files.leaving(run_id) as leave, self._database.alone() as connection:
            if connection.scalar(select(runs.c.run_id).where(runs.c.run_id == run_id, not_(claims.is_own()))) is None:
                return
            if re.fullmatch(RUN_ID, run_id):
                leave(connection)
            remove(connection, run_id)

    def read_along(self, run_ids: Iterable[str]) -> None:
        """Let this store's user read runs of others, who asked the same."""
        with self._database.write() as connection:
            readers.add(connection, run_ids, self.owner)

    def share(self, run_id: str, is_wanted: bool) -> None:
        """Share a run of one's own with everybody at this store, or with nobody but those who asked the same."""
        with self._database.alone() as connection:
            claims.locked(connection, run_id, self._mine, self._database.sightings)
            if is_wanted:
                readers.add(connection, [run_id], readers.EVERYBODY)
            else:
                readers.remove(connection, run_id, readers.EVERYBODY)

    def is_shared(self, run_id: str) -> bool:
        """Whether a run is shared with everybody."""
        with self._database.read() as connection:
            return readers.has(connection, run_id, readers.EVERYBODY)

    def leave(self, run_id: str) -> bool:
        """Give up a run that is shared: a reader sees it no longer, and an owner hands it on to a reader; False where there is none."""
        with self._database.alone() as connection:
            if readers.remove(connection, run_id, self.owner):
                return True
            try:
                row = claims.locked(connection, run_id, self._mine, self._database.sightings)
            except InputError:
                if readers.has(connection, run_id, readers.EVERYBODY):
                    raise InputError(f"run {run_id} is shared with everybody, so it is on every list", "run_id") from None
                raise
            heir = readers.next_owner(connection, run_id)
            if heir is None or row["owner"] != self.owner or row["status"] in ACTIVE:  # admins delete; what goes on is stopped first
                return False
            readers.remove(connection, run_id, heir)
            claims.change(connection, run_id, {"owner": heir, **readers.unlabelled(row)}, self._mine)
        self.files.forget_log(run_id)
        return True

    @contextmanager
    def held(self, run_id: str) -> Iterator[None]:
        """A transaction in which no driver can take a run and nobody delete it. InputError where a driver has it."""
        with self._database.alone() as connection:
            status = claims.locked(connection, run_id, self._mine, self._database.sightings)["status"]
            if status in STARTED:
                raise InputError(f"run {run_id} is {status}; stop it first", "run_id")
            yield

    def forfeit(self, run_id: str, owner: Mapping[str, Any], **columns: Any) -> None:
        """Change columns of an active run whose owner, a process started by this one, has died; nothing where another has it by now."""
        with self._database.write() as connection:
            claims.forfeit(connection, run_id, owner, columns)

    # ---- commands

    def command(self, run_id: str) -> str | None:
        """The command that waits for the driver of a run."""
        with self._database.read() as connection:
            return connection.scalar(select(runs.c.command).where(runs.c.run_id == run_id))

    def commands(self, run_ids: Iterable[str]) -> dict[str, str]:
        """The commands that wait, by run."""
        with self._database.read() as connection:
            query = select(runs.c.run_id, runs.c.command).where(runs.c.run_id.in_(list(run_ids)), runs.c.command.is_not(None))
            return dict(connection.execute(query).all())

    def set_command(self, run_id: str, command: str | None) -> None:
        """Ask the driver of a run, in whatever process, to pause, resume or stop."""
        assert command is None or command in COMMANDS, command
        self.update(run_id, command=command)

    def update_all(
        self, run_ids: Iterable[str], statuses: Sequence[str], *, is_held: bool = False, obeying: Sequence[str] = (), **columns: Any
    ) -> None:
        """Change columns of those of these runs whose status is one of `statuses`, in one transaction; `is_held`: only of our own.

        `obeying`: only where one of these commands still waits, which is cleared; a later one is not lost.
        """
        changes = {name: plain(value) for name, value in columns.items()} | ({"command": None} if obeying else {})
        held = (is_held_by(heartbeat.me()),) if is_held else ()
        told = (runs.c.command.in_(obeying),) if obeying else ()
        chosen = (runs.c.run_id.in_(list(run_ids)), runs.c.status.in_(statuses), claims.is_own(), *self._mine, *held, *told)
        with self._database.write() as connection:
            claims.hold(connection, chosen)
            connection.execute(update(runs).where(*chosen).values(revision=runs.c.revision + 1, **changes))

    def take_command(self, run_id: str, fence: str | None = None) -> str | None:
        """The waiting command, which is cleared. Reads before it writes: the driver asks ten times a second.

        TakenOverError when this process no longer holds the run: it was suspended, taken for lost, and the run resumed elsewhere.
        """
        if self.check_held(run_id, fence)["command"] is None:
            return None
        with self._database.write() as connection:
            command = connection.scalar(select(runs.c.command).where(runs.c.run_id == run_id).with_for_update())
            claims.change(connection, run_id, {"command": None}, self._mine, fence)
        return command

    def check_held(self, run_id: str, fence: str | None = None) -> Mapping[Any, Any]:
        """Who holds a run, and its command; TakenOverError unless it is this process, by the claim that drew the `fence` if given."""
        with self._database.read() as connection:
            row = connection.execute(select(runs.c.fence, *_LIFE).where(runs.c.run_id == run_id)).mappings().one_or_none()
        if row is None:
            raise claims.unknown(run_id)
        if not heartbeat.is_mine(row) or fence not in (None, row["fence"]):
            raise claims.taken_over(run_id, row)
        return row

    # ---- reading

    def get(self, run_id: str) -> dict[str, Any]:
        """All columns of a run, which may be named by a unique beginning of its id. InputError where one of them cannot be read."""
        return self._as_seen(readable(self._row(run_id), self._database.sightings))

    def own(self, run_id: str) -> dict[str, Any]:
        """As `get`, for somebody who wants to change the run; InputError where others share it with them."""
        row = self.get(run_id)
        if row.get("is_shared"):
            raise InputError(f"run {row['run_id']} is somebody else's, who shares it: it can be looked at only", "run_id")
        return row

    def _as_seen(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row without what its owner has written for themselves, where it is another's."""
        if not self._mine or row["owner"] == self.owner or row["recorded"]:
            return row
        return row | {"is_shared": True, "owner": "", **readers.unlabelled(row)}

    def find(self, name: str) -> str:
        """The id of the run that is named by a unique beginning of it, also of one that cannot be read."""
        return self._row(name)["run_id"]

    def _row(self, name: str) -> Any:
        with self._database.read() as connection:
            found = named(connection, name, self._seen)
        if found is None:
            raise claims.unknown(name)
        return found

    def runs(self, limit: int | None = None, *, recorded: bool = False) -> list[dict[str, Any]]:
        """Every run that can be read, newest first, without the long columns `started` and `traceback` (see `get`).

        `recorded`: followed by the recorded runs that came with the program, by id.
        """
        return self.survey(limit, recorded=recorded)[0]

    def survey(
        self, limit: int | None = None, *, of_ablations: bool = True, recorded: bool = False
    ) -> tuple[list[dict[str, Any]], list[Unreadable]]:
        """As `runs`, and those of the runs that cannot be read. `of_ablations`: whether runs that an ablation started are among them.

        Without a limit only what has changed is read, see known_runs.py, and the rows are shared: they must not be changed.
        """
        if limit is None and of_ablations and self._database.known:
            return self._known(recorded)
        light = [column for column in runs.columns if column.name not in HEAVY]
        place = case((claims.is_own(), ""), else_=runs.c.run_id)  # own runs first
        query = select(*light).where(*self._seen).order_by(place, runs.c.created.desc(), runs.c.run_id.desc())
        query = query if recorded else query.where(claims.is_own())
        query = query if of_ablations else query.where(runs.c.group_id.not_in(select(sweeps.c.sweep_id)))
        with self._database.read() as connection:
            good, bad = survey(connection, query, limit, self._database.sightings)
        return [self._as_seen(row) for row in good], bad

    def _known(self, recorded: bool) -> tuple[list[dict[str, Any]], list[Unreadable]]:
        assert self._database.known
        with self._database.read() as connection:
            seen = self._seen_ids(connection)
            good, bad = self._database.known.survey(connection, self._database.sightings)
        found = [row for is_own, row in good if (is_own or recorded) and (seen is None or row["run_id"] in seen)]
        broken = [one for is_own, one in bad if (is_own or recorded) and (seen is None or one.of in seen)]
        return [self._as_seen(row) for row in found] if self._mine else found, broken

    def _seen_ids(self, connection: Connection) -> set[str] | None:
        """The ids of the runs that are seen here; None for all."""
        return set(connection.scalars(select(runs.c.run_id).where(*self._seen))) if self._seen else None

    def recorded(self) -> dict[str, dict[str, Any]]:
        """What the recorded runs are, by id."""
        with self._database.read() as connection:
            return dict(connection.execute(select(runs.c.run_id, runs.c.recorded).where(not_(claims.is_own()))).all())

    def same(self, fingerprints: Iterable[str]) -> list[dict[str, Any]]:
        """Runs of everybody that are done or go on, with settings of these fingerprints: id, fingerprint, status, owner, hashes,
        `is_driven` (by a program at this store, not imported), `is_seen` (by this user)."""
        columns = (runs.c.fingerprint, runs.c.owner, runs.c.hashes, runs.c.fence.is_not(None).label("is_driven"), *_LIFE)
        is_seen = and_(true(), *self._seen).label("is_seen")
        chosen = (runs.c.fingerprint.in_(list(fingerprints)), runs.c.status.in_(("done", *ACTIVE)), claims.is_own())
        with self._database.read() as connection:
            found = connection.execute(select(is_seen, *columns).where(*chosen).order_by(runs.c.created)).mappings().all()
        return [row for row in (live(one, self._database.sightings) for one in found) if row["status"] in ("done", *ACTIVE)]

    def own_ids(self) -> list[str]:
        """The ids of all runs that are seen here but for recorded ones, also of those that cannot be read."""
        with self._database.read() as connection:
            return list(connection.scalars(select(runs.c.run_id).where(claims.is_own(), *self._mine)))

    def revision(self, run_ids: str | Iterable[str] | None = None) -> tuple:
        """A token that changes whenever pages would show something else of these runs (default: of all). Cheap: made for polling."""
        sightings = self._database.sightings
        if run_ids is None and self._database.known:
            with self._database.read() as connection:
                seen = self._seen_ids(connection)
                return tuple(one for one in self._database.known.states(connection, sightings) if seen is None or one[0] in seen)
        query = select(runs.c.revision, *_LIFE).where(*self._seen).order_by(runs.c.run_id)
        query = query if run_ids is None else query.where(runs.c.run_id.in_(padded(run_ids)))
        with self._database.read() as connection:
            found = connection.execute(query).mappings().all()
        return tuple((row["run_id"], row["revision"], live(row, sightings)["status"]) for row in found)

    def active(self) -> Counter[str]:
        """How many runs of each owner wait, go on or are paused. Cheap: reads no others."""
        return Counter(row["owner"] for row in self._active() if self._database.sightings.judge(row) != "gone")

    def settle(self, run_ids: Iterable[str] | None = None) -> None:
        """Return when it is certain which of these runs (default: of all) are lost; takes a few seconds where only a clock says so."""
        chosen, judge = None if run_ids is None else set(run_ids), self._database.sightings.judge
        while "unsure" in [judge(row) for row in self._active() if chosen is None or row["run_id"] in chosen]:  # all of them at once
            time.sleep(_WATCH_POLL_SECONDS)

    def _active(self) -> Sequence[Mapping[Any, Any]]:
        with self._database.read() as connection:
            return connection.execute(select(runs.c.owner, *_LIFE).where(runs.c.status.in_(ACTIVE), *self._mine)).mappings().all()

    def at_work(self) -> list[dict[str, Any]]:
        """Active runs of everybody, those that are driven first and then by time, 500 at most, without the long columns and whatever has
        become of their processes: `life` says that (see `Sightings.judge`), and `quiet` how long ago the last sign of life was, in
        seconds. A row that this user may not see has only what concerns its process."""
        light = [column for column in runs.columns if column.name not in HEAVY]
        order = case((runs.c.status == "queued", 1), else_=0), runs.c.created, runs.c.run_id
        query = select(and_(true(), *self._seen).label("is_seen"), *light).where(runs.c.status.in_(ACTIVE)).order_by(*order)
        with self._database.read() as connection:
            good, _ = judged(runs, connection.execute(query.limit(_MOST_AT_WORK)).mappings())
        found, sightings = [], self._database.sightings
        for row in good:
            known = {"life": sightings.judge(row), "quiet": sightings.quiet(row), "is_seen": bool(row["is_seen"])}
            shown = self._as_seen(live(row, sightings)) if known["is_seen"] else {name: row[name] for name in (*_PROCESS, "progress")}
            found.append({**shown, **known})
        return found

    def waiting(self) -> dict[str, int]:
        """How many runs of everybody wait in the queues of each machine."""
        query = select(runs.c.host, func.count()).where(runs.c.status == "queued", runs.c.host.is_not(None)).group_by(runs.c.host)
        with self._database.read() as connection:
            return dict(connection.execute(query).all())

    def queued(self, run_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Settings, fence and owner of those of these runs that wait, by id."""
        query = select(runs.c.run_id, runs.c.config, runs.c.fence, runs.c.owner).where(
            runs.c.run_id.in_(list(run_ids)), runs.c.status == "queued"
        )
        with self._database.read() as connection:
            return {row["run_id"]: dict(row) for row in connection.execute(query).mappings()}

    def fingerprints(self) -> list[str]:
        """Of the settings of all runs that are seen here but for recorded ones, without reading the runs."""
        with self._database.read() as connection:
            return list(connection.scalars(select(runs.c.fingerprint).where(claims.is_own(), *self._seen)))

    def epochs(self, run_ids: str | Iterable[str]) -> pandas.DataFrame:
        """One row for each epoch of these runs, in order."""
        return self._frame(schema.epochs, run_ids)

    def rounds(self, run_ids: str | Iterable[str]) -> pandas.DataFrame:
        """One row for each finished round of these runs that another round of its megabatch follows, in order."""
        return self._frame(schema.rounds, run_ids)

    def megabatches(self, run_ids: str | Iterable[str], *, newest: bool = False) -> pandas.DataFrame:
        """One row for each finished megabatch of these runs, in order; or only the newest of each run, which is fast for many runs."""
        if not newest or isinstance(run_ids, str) or not self._database.known:
            return self._frame(schema.megabatches, run_ids, newest)
        with self._database.read() as connection:
            seen = self._seen_ids(connection)
            return self._database.known.newest(connection, set(run_ids) if seen is None else set(run_ids) & seen)

    def prunes(self, run_ids: str | Iterable[str]) -> pandas.DataFrame:
        """One row for each prune point of these runs, in order."""
        return self._frame(schema.prunes, run_ids)

    def layers(self, run_ids: str | Iterable[str]) -> pandas.DataFrame:
        """Counts of each layer at each prune point and megabatch end of these runs; `seq` is the position in network order."""
        return self._frame(schema.layers, run_ids)

    def _frame(self, table: Table, run_ids: str | Iterable[str], newest: bool = False) -> pandas.DataFrame:
        with self._database.read() as connection:
            return frame(connection, table, padded(run_ids), self._seen, newest)
