"""The driver: one run from first event to last, through commands, failures and resumes. Mostly with a stand-in for the engine."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import resource
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import faults
import pandas
import pytest
import stores
from standin import SETTINGS, STEPS, StandIn
from stores import NEEDS_SERVER

from appcore import paths
from appcore.config import build
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.runner.engine_port import Engine
from appcore.storage import checkpoint, heartbeat
from appcore.storage.store import Store

CONFIG = build(SETTINGS)
PLAN = plan(CONFIG)
MEGABATCH = CONFIG.epochs + 2  # prune, epochs, test


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def asks_as_often_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly the store of a busy machine answers."""
    monkeypatch.setattr(driver, "_STORE_SHARE", 0)


def add(store: Store, config: Any = CONFIG) -> str:
    return store.create_run(config, plan_length=len(plan(config)))


def numbers(store: Store, run_id: str) -> list[pandas.DataFrame]:
    """All rows of a run, without the run's name and without times."""
    frames = (store.epochs(run_id), store.megabatches(run_id), store.prunes(run_id), store.layers(run_id))
    return [frame.drop(columns=["run_id", "seconds"], errors="ignore") for frame in frames]


class Left(NamedTuple):
    """What a run leaves: its rows, the hash of its weights, and which masks it keeps."""

    rows: list[pandas.DataFrame]
    weights: str
    masks: set[str]


def left(store: Store, run_id: str) -> Left:
    masks = (paths.run_folder(store.folder, run_id) / "masks").iterdir()
    return Left(numbers(store, run_id), store.get(run_id)["totals"]["weights_hash"], {path.name for path in masks})


def assert_same(store: Store, run_id: str, wanted: Left) -> None:
    found = left(store, run_id)
    for one, other in zip(found.rows, wanted.rows, strict=True):
        pandas.testing.assert_frame_equal(one, other)
    assert found[1:] == wanted[1:]


@pytest.fixture
def done(store: Store) -> str:
    """A run that nothing interrupted."""
    run_id = add(store)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    return run_id


_UNINTERRUPTED: list[Left] = []


@pytest.fixture
def uninterrupted(request: pytest.FixtureRequest, store: Store) -> Left:
    """What such a run leaves, which is the same in every store of every kind: driven once, for the first test that asks."""
    if not _UNINTERRUPTED:
        _UNINTERRUPTED.append(left(store, request.getfixturevalue("done")))
    return _UNINTERRUPTED[0]


def test_a_run_leaves_rows_masks_checkpoints_and_totals(store: Store, done: str) -> None:
    row = store.get(done)
    assert (row["status"], row["cursor"], row["error"], row["command"]) == ("done", len(PLAN), None, None)
    assert row["notes"] == ["a note"]
    assert row["versions"] == {"torch": "1", "device": "cpu"}
    assert len(store.epochs(done)) == 6
    assert store.megabatches(done)["megabatch"].tolist() == [0, 1, 2]
    assert store.layers(done).query("point == 'prune'")["kept"].tolist() == [7, 6, 5]
    folder = paths.run_folder(store.folder, done)
    assert checkpoint.load(folder)[1]["cursor"] == len(PLAN)
    kept = [checkpoint.load_masks(paths.masks(folder, segment.index))["w"].sum() for segment in PLAN if segment.kind == "prune"]
    assert kept == [7, 6, 5]


class _Growing(StandIn):
    """Its second epoch of each megabatch brings weights back."""

    def run(self, state: Any, segments: tuple) -> Any:
        for event in super().run(state, segments):
            yield dataclasses.replace(event, grown=event.epoch) if type(event).__name__ == "EpochDone" else event


def test_masks_that_epochs_move_are_kept_at_the_end_of_a_megabatch(store: Store) -> None:
    run_id = add(store)
    assert driver.drive(store, run_id, work=_Growing()) == "done"
    folder = paths.run_folder(store.folder, run_id)
    kept = {int(path.stem) for path in paths.masks(folder, 0).parent.iterdir()}
    assert kept == {segment.index for segment in PLAN if segment.kind in ("prune", "test")}


@pytest.mark.thorough
def test_progress_says_how_far_how_fast_and_how_long_still(store: Store) -> None:
    run_id = add(store)
    driven = driver.steps(store, run_id, work=StandIn({(6, 0): lambda: time.sleep(0.3)}, step_seconds=0.01))
    while not (progress := store.get(run_id)["progress"]) or progress["segment"] < 6:
        assert next(driven) == "running"
    assert (progress["megabatch"], progress["epoch"], progress["steps"], progress["loss"]) == (1, 1, STEPS, 0.5)
    assert progress["samples_total"] == 240
    assert progress["eta_seconds"] == pytest.approx((240 - progress["samples_seen"]) / progress["images_per_second"])
    assert 10 < progress["images_per_second"] < 4000
    driven.close()


@pytest.mark.thorough
@pytest.mark.parametrize("events", [1, 2, 3, 5, 8, 13, 19, 20, 30, 41, 49, 50, 51, 52])
def test_closed_anywhere_and_resumed_is_as_uninterrupted(store: Store, uninterrupted: Left, events: int) -> None:
    run_id, work = add(store), StandIn()
    driven = driver.steps(store, run_id, work=work)
    seen = [status for _, status in zip(range(events), driven)]
    driven.close()
    assert store.get(run_id)["status"] == ("done" if seen[-1] == "done" else "stopped")
    assert work.closed == 1
    if seen[-1] != "done":
        assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)


@pytest.mark.parametrize("segment", range(0, len(PLAN), 3))
def test_killed_anywhere_and_resumed_is_as_uninterrupted(store: Store, uninterrupted: Left, segment: int) -> None:
    """A kill writes nothing: the frame is dropped where it stands, and the row still says running."""
    run_id = add(store)
    driven = driver.steps(store, run_id, work=StandIn())
    while store.get(run_id)["cursor"] <= segment and next(driven) != "done":
        pass
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)
    driven.close()  # only now, so that nothing was tidied up before


@pytest.mark.thorough
def test_events_are_neither_missing_nor_doubled_over_many_stops(store: Store, uninterrupted: Left) -> None:
    run_id, stops = add(store), 0
    while store.get(run_id)["status"] != "done":
        driven = driver.steps(store, run_id, work=StandIn())
        for _ in range(9 + stops % 5):
            next(driven, None)
        driven.close()
        stops += 1
    assert stops > 3
    assert_same(store, run_id, uninterrupted)


def test_a_run_that_is_done_keeps_its_last_checkpoint_alone(store: Store, done: str) -> None:
    assert checkpoint.cursors(paths.run_folder(store.folder, done)) == [len(PLAN)]
    assert len(checkpoint.cursors(paths.run_folder(store.folder, half(store)))) == 2


def test_a_last_checkpoint_that_does_not_read_back_supersedes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = checkpoint.keep_last

    def spoilt(folder: Path, cursor: int) -> None:
        paths.checkpoint(folder, cursor).write_bytes(b"spoilt")
        keep(folder, cursor)

    monkeypatch.setattr(checkpoint, "keep_last", spoilt)
    run_id = add(store)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    newest, older = checkpoint.cursors(paths.run_folder(store.folder, run_id))
    assert newest == len(PLAN) and checkpoint.newest(paths.run_folder(store.folder, run_id))[0]["cursor"] == older


def test_a_damaged_checkpoint_costs_work_but_no_truth(store: Store, uninterrupted: Left) -> None:
    run_id = add(store)
    driven = driver.steps(store, run_id, work=StandIn())
    while store.get(run_id)["cursor"] < 2 * MEGABATCH:
        next(driven)
    driven.close()
    newest = paths.manifests(paths.run_folder(store.folder, run_id))[0]
    newest.with_suffix(".safetensors").write_bytes(b"spoilt")
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)
    assert any("not used: its tensors are damaged" in note for note in store.get(run_id)["notes"])


@pytest.mark.parametrize("gone", [1, 2])
def test_saved_checkpoints_that_are_gone_are_noted(store: Store, uninterrupted: Left, gone: int) -> None:
    run_id = add(store)
    driven = driver.steps(store, run_id, work=StandIn())
    while store.get(run_id)["cursor"] <= 2 * MEGABATCH:
        next(driven)
    driven.close()
    newest, *others = paths.manifests(paths.run_folder(store.folder, run_id))
    for path in [newest, *others][:gone]:
        path.unlink()
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)
    instead = f"resumed from {others[0].stem} instead" if gone == 1 else "started again from the beginning"
    assert f"checkpoint {newest.stem} not used: it was saved, and its manifest is gone; {instead}" in store.get(run_id)["notes"]


def test_a_save_that_a_kill_cut_off_is_nothing_to_be_noted(store: Store, uninterrupted: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, saves = add(store), []

    def killed(folder: Any, cursor: int, *rest: Any, **named: Any) -> None:
        saves.append(cursor)
        if len(saves) == 2:
            raise KeyboardInterrupt  # as a kill: nothing is saved after it
        save(folder, cursor, *rest, **named)

    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        driver.drive(store, run_id, work=StandIn())
    assert store.get(run_id)["cursor"] == 2 * MEGABATCH
    assert store.get(run_id)["saved"] == MEGABATCH
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)
    assert store.get(run_id)["notes"] == ["a note"]
    assert store.get(run_id)["saved"] == len(PLAN)


def test_what_differs_from_when_the_run_began_is_noted(store: Store) -> None:
    run_id = add(store)
    driven = driver.steps(store, run_id, work=StandIn())
    while store.get(run_id)["cursor"] < MEGABATCH:
        next(driven)
    driven.close()
    store.update(run_id, started={**store.get(run_id)["started"], "device": "other", "hashes": {"init": "j", "order": "o"}})
    driver.drive(store, run_id, work=StandIn(torch_version="2"))
    notes = " | ".join(store.get(run_id)["notes"])
    assert "torch 1, now 2" in notes
    assert "began on other, resumed on cpu" in notes
    assert "hash of init" in notes


class _Diverging(StandIn):
    """Its loss explodes in the second megabatch and stays so."""

    def __init__(self, **losses: float):
        super().__init__()
        self.losses = losses

    def run(self, state: Any, segments: tuple) -> Any:
        for event in super().run(state, segments):
            yield dataclasses.replace(event, **self.losses) if event.kind == "EpochDone" and event.megabatch >= 1 else event


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        ({"train_loss": 2e17}, "the training loss was 2e+17"),
        ({"val_loss": 70.0}, "the validation loss was 70"),  # guessing between two classes: log 2
        ({"val_loss": float("nan")}, "the validation loss was nan"),
        ({"val_loss": float("inf")}, "the validation loss was inf"),
        ({"train_loss": 69.0, "val_loss": 69.0}, ""),
    ],
)
def test_a_loss_that_explodes_is_noted_once(store: Store, losses: dict[str, float], says: str) -> None:
    run_id = add(store)
    driven = driver.steps(store, run_id, work=_Diverging(**losses))
    while store.get(run_id)["cursor"] < 2 * MEGABATCH:
        next(driven)
    driven.close()
    assert driver.drive(store, run_id, work=_Diverging(**losses)) == "done"  # resumed, and still said once
    remark = f"the training diverged: {says} in megabatch 2, epoch 1, where guessing gives 0.69; try a smaller lr than {CONFIG.lr:g}"
    assert store.get(run_id)["notes"] == ["a note", *([remark] if says else [])]


# ---- commands


def advance_until(driven: Any, status: str, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while next(driven) != status:
        assert time.monotonic() < deadline, f"never {status}"


@pytest.mark.thorough
def test_paused_the_run_stands_still_and_goes_on_at_the_same_place(store: Store, uninterrupted: Left) -> None:
    run_id, work = add(store), StandIn(step_seconds=0.02)
    driven = driver.steps(store, run_id, work=work)
    for _ in range(8):
        next(driven)
    store.set_command(run_id, "pause")
    advance_until(driven, "paused")
    seen = work.states[0].samples_seen
    for _ in range(20):
        assert next(driven) == "paused"
    row = store.get(run_id)
    assert (row["status"], row["command"]) == ("paused", None)
    assert work.states[0].samples_seen == seen
    store.set_command(run_id, "resume")
    time.sleep(driver.COMMAND_SECONDS)
    advance_until(driven, "running")
    assert store.get(run_id)["status"] == "running"
    assert list(driven)[-1] == "done"
    assert len(work.states) == 1
    assert_same(store, run_id, uninterrupted)


@pytest.mark.slow
def test_a_store_that_is_slow_to_answer_is_asked_more_seldom(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()
    monkeypatch.setattr(driver, "FLUSH_SECONDS", 0.1)
    for name, real in {"take_command": store.take_command, "write": store.write}.items():

        def slowly(*arguments: Any, name: str = name, real: Callable = real, **columns: Any) -> Any:
            asked[name] += 1
            time.sleep(0.08)
            return real(*arguments, **columns)

        monkeypatch.setattr(store, name, slowly)
    found = []
    for share in (0, 10):
        monkeypatch.setattr(driver, "_STORE_SHARE", share)
        asked.clear()
        run_id = add(store, build({**SETTINGS, "megabatches": 1}))
        assert driver.drive(store, run_id, work=StandIn(step_seconds=0.12)) == "done"
        found.append(dict(asked))
    often, seldom = found
    assert seldom["take_command"] < 0.8 * often["take_command"] and seldom["write"] < 0.8 * often["write"], found


@pytest.mark.alone
def test_stop_ends_within_a_step_also_from_paused_and_queued(store: Store) -> None:
    run_id, work = add(store), StandIn(step_seconds=0.01)
    store.set_command(run_id, "stop")
    assert list(driver.steps(store, run_id, work=work)) == ["stopped"]
    assert not work.states  # told before it began: nothing was built
    driven = driver.steps(store, run_id, work=work)
    for _ in range(8):
        next(driven)
    store.set_command(run_id, "pause")
    advance_until(driven, "paused")
    store.set_command(run_id, "stop")
    asked = time.monotonic()
    advance_until(driven, "stopped", seconds=0.5)
    assert time.monotonic() - asked < 0.5
    assert next(driven, None) is None
    row = store.get(run_id)
    assert (row["status"], row["command"]) == ("stopped", None)
    assert work.closed == 1


@pytest.mark.slow
def test_preempted_it_loses_the_segment_under_way_at_most(store: Store, uninterrupted: Left) -> None:
    for events in range(1, 40):
        run_id, work = add(store), StandIn()
        driven = driver.steps(store, run_id, work=work)
        for _ in range(events):
            next(driven)
        store.set_command(run_id, "preempt")
        time.sleep(driver.COMMAND_SECONDS)
        assert list(driven)[-1] == "stopped"
        row = store.get(run_id)
        assert (row["status"], row["command"]) == ("stopped", None)
        saved = checkpoint.load(paths.run_folder(store.folder, run_id))[1].get("cursor", 0)
        assert saved == row["cursor"] == work.states[0].cursor  # what is not saved is less than a segment
        if events % 10 == 0:
            assert driver.drive(store, run_id, work=StandIn()) == "done"
            assert_same(store, run_id, uninterrupted)


def test_preempted_it_goes_on_only_where_it_would_lose_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "COMMAND_SECONDS", 0.0)
    monkeypatch.setattr(driver, "FLUSH_SECONDS", 0.0)
    for resumed, place, then in ((True, (1, 2), 1), (False, (1, 2), 2)):  # the segment before is in a checkpoint, or it is not
        run_id, work = add(store), StandIn()
        driven = driver.steps(store, run_id, work=work)
        while store.get(run_id)["cursor"] < 1:
            next(driven)
        if resumed:
            driven.close()
            driven = driver.steps(store, run_id, work=work)
        work.at = {place: lambda run_id=run_id: store.set_command(run_id, "preempt")}
        assert list(driven)[-1] == "stopped"
        assert store.get(run_id)["cursor"] == then


def test_preempted_while_paused_it_saves_before_it_stops(store: Store, uninterrupted: Left) -> None:
    run_id = add(store)
    driven = driver.steps(store, run_id, work=StandIn(step_seconds=0.01))
    while store.get(run_id)["cursor"] < 2:
        next(driven)
    next(driven)
    store.set_command(run_id, "pause")
    advance_until(driven, "paused")
    store.set_command(run_id, "preempt")
    assert list(driven)[-1] == "stopped"
    row = store.get(run_id)
    assert row["command"] == "pause"  # for whoever places it again; not for whoever drives it on
    assert checkpoint.load(paths.run_folder(store.folder, run_id))[1]["cursor"] == row["cursor"]
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)


def test_paused_before_it_began_it_holds_nothing(store: Store) -> None:
    run_id, work = add(store), StandIn()
    store.set_command(run_id, "pause")
    driven = driver.steps(store, run_id, work=work)
    assert [next(driven), next(driven)] == ["paused", "paused"]
    assert not work.states
    store.set_command(run_id, "resume")
    time.sleep(driver.COMMAND_SECONDS)
    assert list(driven)[-1] == "done"


def test_a_run_that_waits_for_its_driver_begins_whoever_else_starts_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of workers begin at once, and those that stood in line for ten seconds would fail."""
    run_id, stopped = add(store), add(store)
    store.update(stopped, status="stopped")

    def line(self: Store) -> Any:
        raise InputError("a start stands in line")

    monkeypatch.setattr(Store, "alone", line)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    with pytest.raises(InputError, match="in line"):  # it needs room of its own
        driver.drive(store, stopped, work=StandIn())


@NEEDS_SERVER
def test_runs_begin_and_end_while_another_program_holds_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in stores.address("postgresql", tmp_path, monkeypatch):
        with closing(Store(address)) as store, closing(Store(address, busy_seconds=0.5)) as other:
            first, run_id = add(store), add(store)
            assert driver.drive(store, first, work=StandIn()) == "done"  # the store has a name now
            with store.alone():
                assert driver.drive(other, run_id, work=StandIn()) == "done"


def test_a_run_that_another_process_holds_is_left_alone(store: Store) -> None:
    run_id = add(store)
    store.update(run_id, status="running", host="elsewhere", pid=1, heartbeat=time.time())
    with pytest.raises(InputError, match="is running"):
        driver.drive(store, run_id, work=StandIn())
    assert store.get(run_id)["status"] == "running"
    with pytest.raises(InputError, match="no run"):
        driver.drive(store, "nonsense", work=StandIn())


def test_a_run_that_was_taken_over_meanwhile_is_let_go(store: Store) -> None:
    run_id, work = add(store), StandIn(step_seconds=0.02)
    driven = driver.steps(store, run_id, work=work)
    for _ in range(4):
        next(driven)
    store.update(run_id, host="elsewhere", pid=1, heartbeat=time.time())
    assert list(driven)[-1] == "lost"
    assert store.get(run_id)["status"] == "running"
    assert work.closed == 1


def test_a_finished_run_is_not_driven_again(store: Store, done: str) -> None:
    with pytest.raises(InputError, match="is done"):
        driver.drive(store, done, work=StandIn())


# ---- failures


class OutOfMemoryError(RuntimeError):
    pass


def fail(error: BaseException) -> Callable[[], None]:
    def raising() -> None:
        raise error

    return raising


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("arch: no such thing; choose another", "arch"), "arch: no such thing; choose another"),
        (
            MemoryError(),
            "this machine ran out of memory (by the estimate this run needs 3.2 GB): start a run with a smaller "
            "score_batch_size (now 100), a smaller arch (now mlp), or fewer images (limit_train); or end other programs, then resume",
        ),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            "the GPU ran out of memory (by the estimate this run needs 3.2 GB): start a run with a smaller "
            "score_batch_size (now 100), a smaller arch (now mlp), or device cpu; or end other programs, then resume",
        ),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "this machine ran out of memory"),
        (RuntimeError("CUDA error: device-side assert triggered\nsecond line"), "the GPU failed: CUDA error: device-side assert"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "the disk is full (/x/y): free some space, then resume"),
        (FloatingPointError("the loss became nan; try a smaller lr"), "the loss became nan; try a smaller lr"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (KeyError("w"), "KeyError: 'w'"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_a_failure_is_one_line_with_the_traceback_kept_and_can_be_resumed(
    store: Store, uninterrupted: Left, error: BaseException, text: str
) -> None:
    run_id, work = add(store), StandIn({(6, 2): fail(error)})
    assert driver.drive(store, run_id, work=work) == "failed"
    row = store.get(run_id)
    assert (row["status"], work.closed) == ("failed", 1)
    assert row["error"].startswith(text)
    assert "\n" not in row["error"]
    assert "standin.py" in row["traceback"]
    assert row["cursor"] == 6  # what was waiting to be written was written
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert store.get(run_id)["error"] is None
    assert_same(store, run_id, uninterrupted)


def test_interrupted_from_the_keyboard_it_is_stopped_and_the_interrupt_goes_on(store: Store, uninterrupted: Left) -> None:
    run_id = add(store)
    with pytest.raises(KeyboardInterrupt):
        driver.drive(store, run_id, work=StandIn({(6, 2): fail(KeyboardInterrupt())}))
    assert store.get(run_id)["status"] == "stopped"
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)


@pytest.mark.thorough
def test_a_store_that_cannot_be_written_ends_the_run_not_the_process(store: Store, capsys: pytest.CaptureFixture) -> None:
    if not store.url.startswith("sqlite"):
        pytest.skip("a server makes others wait for rows only")
    run_id = add(store)
    other = sqlite3.connect(store.url.removeprefix("sqlite:///"))
    work = StandIn({(3, 0): lambda: other.execute("BEGIN EXCLUSIVE")})
    assert driver.drive(Store(store.url, busy_seconds=0.3), run_id, work=work) == "failed"
    assert "is locked by another program" in capsys.readouterr().err
    other.rollback()
    assert store.get(run_id)["status"] == "running"  # it could not be told; it is lost when no beat comes
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    other.close()


def test_settings_that_are_no_longer_possible_fail_clearly(store: Store) -> None:
    run_id = add(store)
    store.update(run_id, config={**store.get(run_id)["config"], "arch": "gone"})
    assert driver.drive(store, run_id, work=StandIn()) == "failed"
    assert "gone" in store.get(run_id)["error"]


def test_a_folder_that_cannot_be_written_fails_clearly(store: Store) -> None:
    run_id = add(store)
    paths.run_folder(store.folder, run_id).write_text("in the way")
    assert driver.drive(store, run_id, work=StandIn()) == "failed"
    assert "could not be written" in store.get(run_id)["error"]


@pytest.mark.thorough
def test_the_heart_beats_during_long_steps_and_not_after(store: Store) -> None:
    run_id, beats = add(store), []

    def long_step() -> None:
        before, deadline = store.get(run_id)["heartbeat"], time.monotonic() + 20 * heartbeat.BEAT_SECONDS
        while (beat := store.get(run_id)["heartbeat"]) - before < 1.0 and time.monotonic() < deadline:
            time.sleep(0.1)
        beats.append(beat - before)

    assert driver.drive(store, run_id, work=StandIn({(1, 0): long_step})) == "done"
    assert beats[0] > 1.0


# ---- with the real engine

REAL = build({"arch": "mlp", "dataset": "digits", "megabatches": 3, "epochs": 2, "limit_train": 240, "limit_test": 60})


@pytest.mark.slow
def test_the_engine_stopped_at_any_segment_and_resumed_gives_the_same_bits(store: Store) -> None:
    whole = add(store, REAL)
    assert driver.drive(store, whole) == "done"
    for cursor in (1, 3, 6, 8):
        run_id = add(store, REAL)
        driven = driver.steps(store, run_id)
        while next(driven) == "running" and store.get(run_id)["cursor"] < cursor:
            pass
        driven.close()
        assert driver.drive(store, run_id) == "done"
        assert_same(store, run_id, left(store, whole))


def test_the_engine_counts_its_samples_as_planned(store: Store) -> None:
    run_id = add(store, REAL)
    driver.drive(store, run_id)
    progress = store.get(run_id)["progress"]
    assert progress["samples_seen"] == progress["samples_total"] == Engine().total_samples(REAL)


# ---- what cannot be read now


def half(store: Store) -> str:
    """A run that stopped in its third megabatch."""
    run_id = add(store)
    with closing(driver.steps(store, run_id, work=StandIn())) as driven:
        while store.get(run_id)["cursor"] <= 2 * MEGABATCH:
            next(driven)
    return run_id


def files_of(store: Store, run_id: str) -> dict[str, bytes]:
    folder = paths.run_folder(store.folder, run_id)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("error", ["EACCES", "EMFILE", "EIO", "ESTALE", "EINTR"])
@pytest.mark.parametrize("times", [1, 2, 3, 10**6])
def test_reads_that_fail_for_a_moment_cost_no_row_and_no_file(
    error: str, times: int, store: Store, uninterrupted: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = half(store)
    before, rows, known = files_of(store, run_id), numbers(store, run_id), store.get(run_id)
    real, count = Path.open, []

    def failing(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if mode == "rb" and path.name.startswith("checkpoint-") and len(count) < times:
            count.append(path)
            raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)), str(path))
        return real(path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", failing)
    status = driver.drive(store, run_id, work=StandIn())
    monkeypatch.undo()
    row = store.get(run_id)
    assert status == row["status"] == "stopped", "refused before its first step"
    assert os.strerror(getattr(errno, error)) in row["error"] and "cannot be read now" in row["error"] and "\n" not in row["error"]
    assert (row["cursor"], row["saved"]) == (known["cursor"], known["saved"])
    assert files_of(store, run_id) == before
    for one, other in zip(numbers(store, run_id), rows, strict=True):
        pandas.testing.assert_frame_equal(one, other)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)
    assert not [note for note in store.get(run_id)["notes"] if "checkpoint" in note]


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_with_hardly_any_open_files_allowed_nothing_is_lost(tmp_path: Path) -> None:
    """The limit of the system itself, from too few for anything to enough."""
    whole = Store(tmp_path / "whole" / "runs.db")
    wanted = add(whole)
    assert driver.drive(whole, wanted, work=StandIn()) == "done"
    begun = Store(tmp_path / "begun" / "runs.db")
    run_id = half(begun)
    begun.close()
    ended = []
    for allowed in range(3, 40):
        place = tmp_path / str(allowed)
        shutil.copytree(tmp_path / "begun", place)

        def work(place: Path = place, allowed: int = allowed) -> int:
            os.closerange(3, 1024)  # what tests before this one left open, since the limit is one of numbers
            store = Store(place / "runs.db")
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            with contextlib.suppress(InputError), contextlib.redirect_stderr(io.StringIO()):
                driver.drive(store, run_id, work=StandIn())
            return 0

        faults.in_child(work)
        store = Store(place / "runs.db")
        assert not list(paths.run_folder(place, run_id).rglob("*.damaged"))
        ended.append(store.get(run_id)["status"])
        if ended[-1] != "done":
            store.update(run_id, status="stopped")
            assert driver.drive(store, run_id, work=StandIn()) == "done"
        assert not [note for note in store.get(run_id)["notes"] if "checkpoint" in note]
        assert store.get(run_id)["totals"]["weights_hash"] == whole.get(wanted)["totals"]["weights_hash"]
        assert store.epochs(run_id)["train_loss"].tolist() == whole.epochs(wanted)["train_loss"].tolist()
        store.close()
        shutil.rmtree(place)
        if ended[-2:] == ["done", "done"]:
            break
    assert set(ended) >= {"done"} and ended[0] != "done", ended


def test_a_folder_that_is_not_there_is_no_reason_to_begin_again(store: Store, uninterrupted: Left) -> None:
    run_id = half(store)
    rows, own = numbers(store, run_id), paths.run_folder(store.folder, run_id)
    own.rename(store.folder / "elsewhere")
    assert driver.drive(store, run_id, work=StandIn()) == "stopped"
    assert "where its checkpoints were saved; put them back" in store.get(run_id)["error"]
    assert not own.exists()
    for one, other in zip(numbers(store, run_id), rows, strict=True):
        pandas.testing.assert_frame_equal(one, other)
    (store.folder / "elsewhere").rename(own)
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    assert_same(store, run_id, uninterrupted)
