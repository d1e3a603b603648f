"""The driver: takes one run from its first event to its last. Records events, saves checkpoints, obeys commands.

All launchers, the command line and the tests go through `steps`. Events are distinguished by `kind` (see events).
"""

from __future__ import annotations

import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import paths
from ..statuses import RESUMABLE, STARTABLE, STARTED
from ..storage import checkpoint, heartbeat
from ..storage.store import Store, TakenOverError
from ..trackers.sink import Sink
from . import admission, changes, hardware, over, slots
from .engine_port import Engine, Work, need_of
from .failures import DIVERGED, divergence, explain, is_of_user
from .progress import Pace
from .usage import Usage

if TYPE_CHECKING:
    from ..events import Event

FLUSH_SECONDS = 0.5  # rows wait for each other this long: a transaction costs a few disk syncs, 5 to 20 ms
COMMAND_SECONDS = 0.1  # how often a waiting command is looked for; pause and stop answer within this and one step
_STORE_SHARE = 10  # a store with hundreds of runs is slow to answer: looks then take a tenth of the time at most, and so do writes, ...
_MOST_SELDOM = 10  # ... but they come at least a tenth as often as at one that is quick
CHECKPOINT_SECONDS = 10.0  # at most this much work, and one segment, is done again after a kill; a save takes tens of milliseconds
_SAVE_SHARE = 20  # ... and slow saves, of large networks on slow disks, take at most 1/20 of the time
_AT_ONCE = {"Started", "Pruned"}  # what users wait for; the end of a megabatch is followed by a checkpoint, before which rows are written


def steps(
    store: Store, run_id: str, *, work: Work | None = None, watch: Callable[[Event], None] | None = None
) -> Generator[str, None, None]:
    """Advance a run by one event for each `next`; yields its status, the last one being done, stopped or failed.

    While a run is paused every `next` yields "paused" at once: the caller sleeps. Closing the generator stops the run; it can be
    resumed. Any error inside the run ends it with status failed; only a run that cannot be taken over raises (InputError).
    """
    driver = _Driver(store, run_id, work or Engine(), watch)
    try:
        yield from driver.events()
    except GeneratorExit:
        driver.stop(is_consistent=True)
        raise
    except (KeyboardInterrupt, SystemExit):  # may have struck in the middle of a step
        driver.stop(is_consistent=False)
        raise
    except TakenOverError:
        yield "lost"  # from here; another process drives the run now and writes its status
    except BaseException as error:
        yield driver.fail(error)
    finally:
        driver.release()


def drive(store: Store, run_id: str, *, work: Work | None = None, watch: Callable[[Event], None] | None = None) -> str:
    """Drive a run to its end in this thread; returns its last status. Ctrl-C stops it, resumable, and goes on to the caller.

    Waits for its turn among the programs that train on this machine, and says so on stderr.
    """
    status, config = "queued", store.get(run_id)["config"]
    device, need = hardware.device_of(config.get("device", "auto")), need_of(work or Engine(), [config])
    turn = slots.turn(device, need.slots, f"run {run_id}", size=need.size, gpu=hardware.own_gpu())
    with turn, heartbeat.Heartbeat(store.beat, lambda: [run_id]), closing(steps(store, run_id, work=work, watch=watch)) as driven:
        for status in driven:
            if status == "paused":
                time.sleep(COMMAND_SECONDS)
    return status


def _pause(least: float, took: float) -> float:
    """Seconds from a look or a write that took so long to the next."""
    return min(max(least, _STORE_SHARE * took), _MOST_SELDOM * least)


class _Driver:
    def __init__(self, store: Store, run_id: str, work: Work, watch: Callable[[Event], None] | None):
        self._store, self._run_id, self._work, self._watch = store, run_id, work, watch
        row = store.get(run_id)
        mine = STARTED if heartbeat.is_mine(row) else ()  # left behind by a driver of this process that could not write
        columns: dict[str, Any] = {"status": "running", "error": None, "traceback": None, "totals": None}
        if row["status"] in RESUMABLE:  # whoever drives it on wants it to go on, whatever it was told before it ended
            columns["command"] = None
        self._row = admission.take(store, self._work, run_id, (*STARTABLE, *mine), **columns)
        self._fence = self._row["fence"]
        self._folder = paths.run_folder(store.folder, run_id)
        self._notes: list[str] = list(row["notes"] or [])
        self._state: Any = None
        self._sink: Sink | None = None
        self._plan: tuple = ()
        self._versions: dict[str, Any] = {}
        self._pending: list[tuple[int, Event]] = []
        self._counts: Counter[str] = Counter()
        self._last = ""
        self._classes = 0
        self._is_paused = self._is_preempted = self._has_ended = self._has_grown = self._has_entered = False
        self._pace = Pace(0)
        self._usage: Usage | None = None
        self._flushed = self._saved = time.monotonic()
        self._asked = -COMMAND_SECONDS
        self._look_seconds = self._flush_seconds = 0.0  # what the last one took
        self._saved_cursor, self._save_seconds = row["saved"] or 0, 0.0
        self._spent: defaultdict[str, float] = defaultdict(float)  # seconds spent outside the engine, for the run's profile

    # ---- the run

    def events(self) -> Iterator[str]:
        """Carry out the run, one event for each status that is yielded."""
        for status in self._obey():
            yield status
            if status == "stopped":
                return
        self._begin()
        with closing(self._work.run(self._state, self._plan)) as stream:
            for event in stream:
                self._take(event)
                yield "running"
                for status in self._obey(at_once=self._last == "SegmentDone"):
                    yield status
                    if status == "stopped":
                        return
        self.end("done")
        with suppress(Exception):  # it is done, whatever becomes of an older file
            checkpoint.keep_last(self._folder, self._state.cursor)
        yield "done"

    def _begin(self) -> None:
        """Build the state, from the newest whole checkpoint when there is one."""
        start = time.monotonic()
        config = self._work.config(self._row["config"])
        self._versions = self._work.versions()
        self._plan = self._work.plan(config)
        known = {"fingerprint": self._row["fingerprint"], "versions": self._versions, "saved": self._saved_cursor}
        checkpoint.check_readable(self._folder, self._saved_cursor)  # before anything is made in a folder that may be elsewhere
        self._store.files.own(self._run_id)
        tensors, facts, remark = checkpoint.load(self._folder, **known)
        self._state = self._work.create(config) if tensors is None else self._work.restore(config, tensors, facts)
        self._remark(remark)
        self._sink = Sink(self._store.folder, self._run_id, self._row["config"], facts.get("samples_seen", 0))
        self._saved_cursor = facts.get("cursor", 0)
        self._has_grown = facts.get("has_grown", self._saved_cursor > 0)  # old checkpoints do not say; perhaps it had
        self._pace = Pace(self._work.total_samples(config))
        self._saved = time.monotonic()
        self._spent["load"] += self._saved - start

    def _enter(self, started: Any) -> Any:
        """Drop rows that will be written again; InputError, and nothing is dropped, where the data are not those of the checkpoint."""
        started, versions, notes = changes.since_start(self._row, started, self._versions, self._saved_cursor > 0)
        for note in notes:
            self._remark(note)
        columns = {"saved": self._saved_cursor, "segments": len(self._plan), "versions": versions, "notes": self._notes}
        self._store.rewind(self._run_id, self._saved_cursor, fence=self._fence, **columns)
        self._has_entered = True
        return started

    def _take(self, event: Event) -> None:
        """Record an event; its rows are written together with later ones, unless users are waiting for them."""
        self._last = event.kind
        self._has_grown |= getattr(event, "grown", 0) > 0
        if self._watch:
            self._watch(event)
        if event.kind == "Started":
            self._classes, self._usage = event.classes, Usage(event.device)
            event = self._enter(event)
        if event.kind == "EpochDone" and not any(note.startswith(DIVERGED) for note in self._notes):
            self._remark(divergence(event, self._classes, self._row["config"]))
        if event.kind == "Finished":
            event = replace(event, phase_seconds={**event.phase_seconds, **self._spent})
        if self._sink:
            self._remark(self._sink.take(event))
        if event.kind == "Progress":
            self._pace.take(event)
        else:
            self._pending.append((self._counts[event.kind], event))
            self._counts[event.kind] += 1
        if event.kind == "Pruned" or (event.kind == "MegabatchDone" and self._has_grown):  # epochs of some methods move the masks as well
            start = time.monotonic()
            self._store.check_held(self._run_id, self._fence)
            checkpoint.save_masks(paths.masks(self._folder, event.segment), self._state.masks)
            self._spent["checkpoint"] += time.monotonic() - start
            self._has_grown = False
        if event.kind in _AT_ONCE or time.monotonic() - self._flushed >= _pause(FLUSH_SECONDS, self._flush_seconds):
            self._flush()
        if event.kind == "SegmentDone":
            self._counts.clear()
            if self._is_checkpoint_due(event.cursor):
                self.save_at_boundary()

    def _remark(self, note: str | None) -> None:
        if note and note not in self._notes:
            self._notes.append(note)

    # ---- commands

    def _obey(self, at_once: bool = False) -> Iterator[str]:
        """Read and obey a waiting command; yields "paused" as long as the run is, and "stopped" at its end.

        `preempt` is a stop that keeps the work: the run goes on to the end of its segment where more than that segment would be lost.
        """
        while True:
            start = time.monotonic()
            if at_once or start - self._asked >= _pause(COMMAND_SECONDS, self._look_seconds):
                command = self._store.take_command(self._run_id, self._fence)
                self._asked, at_once = time.monotonic(), False
                self._look_seconds = self._asked - start
                self._is_preempted |= command == "preempt"
                if command == "stop" or (self._is_preempted and self._is_saved_so_far):
                    self.save_at_boundary()
                    self.end("stopped", is_asked=command == "stop")
                    yield "stopped"
                    return
                if command in ("pause", "resume") and self._is_paused != (command == "pause"):
                    self._is_paused = command == "pause"
                    self.save_at_boundary()
                    self._pace.interrupt()
                    self._flush(status="paused" if self._is_paused else "running")
            if self._is_preempted or not self._is_paused:
                return
            yield "paused"

    @property
    def _is_saved_so_far(self) -> bool:
        """Whether a stop now would lose the work of the segment under way at most."""
        return self._state is None or self._last == "SegmentDone" or self._state.cursor == self._saved_cursor

    # ---- writing

    def _flush(self, **columns: Any) -> None:
        start = time.monotonic()
        pending, self._pending = self._pending, []
        progress = {"progress": {**self._pace.read(), "machine": self._usage.read()}} if self._usage and self._pace.is_known else {}
        self._store.write(
            self._run_id,
            [event for _, event in pending],
            seqs=[nth for nth, _ in pending],
            fence=self._fence,
            **{"notes": self._notes, "saved": self._saved_cursor, "heartbeat": time.time(), **progress, **columns},
        )
        self._flushed = time.monotonic()
        self._flush_seconds = self._flushed - start
        self._spent["store"] += self._flush_seconds

    def _is_checkpoint_due(self, cursor: int) -> bool:
        ends_megabatch = cursor == len(self._plan) or self._plan[cursor].megabatch != self._plan[cursor - 1].megabatch
        return ends_megabatch or time.monotonic() - self._saved >= max(CHECKPOINT_SECONDS, _SAVE_SHARE * self._save_seconds)

    def save_at_boundary(self) -> None:
        """Save a checkpoint if the run is between two segments. Rows go first: a checkpoint promises that they are in the store."""
        if self._last != "SegmentDone" or self._state.cursor == self._saved_cursor:
            return
        self._flush()
        start = time.monotonic()
        tensors, facts = self._state.snapshot()
        known = {"fingerprint": self._row["fingerprint"], "versions": self._versions}
        checkpoint.save(self._folder, self._state.cursor, tensors, {**facts, "has_grown": self._has_grown}, **known)
        self._saved_cursor = self._state.cursor  # only now: the store records only finished saves
        self._saved = time.monotonic()
        self._save_seconds = self._saved - start
        self._spent["checkpoint"] += self._save_seconds

    # ---- ends

    def end(self, status: str, *, is_asked: bool = True) -> None:
        """Write the remaining rows and the final status; not `is_asked`: what a worker said of why it must end stays (see worker).

        A run that was paused when its worker was preempted says so by its command, for whoever places it again (see placed).
        """
        self._pace.interrupt()
        command = "pause" if self._is_preempted and self._is_paused and not is_asked else None
        self._flush(status=status, command=command, **({"error": None} if is_asked else {}))
        self._has_ended = True
        if is_asked:
            over.tell(self._store, self._run_id, status)

    def stop(self, is_consistent: bool) -> None:
        """End as stopped from outside, keeping the last segment when the state can be trusted."""
        if self._has_ended:
            return
        try:
            if is_consistent:
                self.save_at_boundary()
            self.end("stopped", is_asked=False)
        except TakenOverError:
            return  # another process drives the run now and writes its status
        except Exception as error:
            self.fail(error)

    def fail(self, error: BaseException) -> str:
        """Record the cause in the store, or on stderr when the store itself is the cause; returns the status.

        A run that had begun before and is refused before its first step stays stopped: nothing of it has changed.
        """
        config = self._row["config"]
        words = explain(error, config, lambda: self._work.memory_bytes(self._work.config(config)))
        is_refused = bool(self._row["started"]) and not self._has_entered and is_of_user(error)
        status = "stopped" if is_refused else "failed"
        cause = {"error": words, "traceback": None if is_refused else "".join(traceback.format_exception(error))}
        for write in (self._flush, lambda **columns: self._store.write(self._run_id, fence=self._fence, **columns)):
            try:
                write(status=status, command=None, **cause)
                break
            except TakenOverError:
                return "lost"  # from here, as in `steps`
            except Exception as problem:
                print(f"run {self._run_id}: {cause['error']} (not stored: {problem})", file=sys.stderr)
                self._pending = []
        over.tell(self._store, self._run_id, status, words)
        return status

    def release(self) -> None:
        """Free the network and the data, on the device too; trackers write what is left."""
        if self._sink:
            problem = self._sink.close()
            if problem:
                print(f"run {self._run_id}: {problem}", file=sys.stderr)
        if self._state is not None:
            self._state = None
            self._work.release()
