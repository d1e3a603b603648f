"""The store: rows that replace themselves, statuses, commands, and every broken file named in one line."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, event, make_url
from stores import NEEDS_SERVER, SERVER

from appcore import paths
from appcore.config import build
from appcore.errors import InputError
from appcore.events import EpochDone, Finished, Layer, LayerDensity, MegabatchDone, Pruned, SegmentDone, Started
from appcore.storage import heartbeat, run_result
from appcore.storage.store import Store, StoreError
from appcore.transfer import bundle_record

CONFIG = build({"arch": "mlp", "dataset": "digits", "megabatches": 2, "epochs": 1})
LAYERS = (LayerDensity("first", 6, 5, 10), LayerDensity("second", 2, 2, 10))
NETWORK = (Layer("first", (5, 2), 20), Layer("second", (2, 5), 20))
STARTED = Started({"init": "i", "order": "o", "scoring": "s"}, "cpu", "fp32", NETWORK, 20, 30, 10, (1, 8, 8), 2, 40, 120)


def pruned(segment: int, megabatch: int = 0) -> Pruned:
    return Pruned(segment, megabatch, 0.4, 0.4, 0.4, 0.35, LAYERS, 0.1)


def epoch(segment: int, megabatch: int = 0, loss: float = 0.5) -> EpochDone:
    return EpochDone(segment, megabatch, 0, 0.1, loss, 0.8, 0.6, 0.7, 30, 0.4, 1.0, True)


def megabatch_end(segment: int, megabatch: int = 0) -> MegabatchDone:
    return MegabatchDone(segment, megabatch, 0.4, 0.4, 0.4, 0.35, LAYERS, 0.8, 0.7, 0.75, 0.6, 0.1, 5, 20, 5, 30, 30, 2.0, "chain")


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


@pytest.fixture
def file_store(tmp_path: Path) -> Store:
    """One whose file the test looks into or breaks."""
    return Store(tmp_path / "runs" / "appcore.db", busy_seconds=0.3)


def add(store: Store, **columns: object) -> str:
    run_id = store.create_run(CONFIG, plan_length=6, title="a title")
    if columns:
        store.update(run_id, **columns)
    return run_id


def test_nothing_is_written_before_the_first_use(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs" / "appcore.db")
    assert not list(tmp_path.iterdir())
    assert store.runs() == []
    assert store.folder == tmp_path / "runs"
    assert Store(store.url).url == store.url


def test_a_new_run_is_queued_and_complete(store: Store) -> None:
    row = store.get(add(store))
    assert (row["status"], row["cursor"], row["segments"], row["title"], row["notes"]) == ("queued", 0, 6, "a title", [])
    assert build(row["config"]) == CONFIG
    assert row["fingerprint"] == CONFIG.fingerprint
    assert heartbeat.is_mine(row)


def test_runs_are_listed_newest_first_and_found_by_their_beginning(store: Store) -> None:
    first, second = add(store), add(store)
    assert [row["run_id"] for row in store.runs()] == [second, first]
    assert store.get(first[:-1] + first[-1])["run_id"] == first
    assert store.get(first[:-1] if first[:-1] != second[:-1] else first)["run_id"] == first
    with pytest.raises(InputError, match="several runs"):
        store.get(first[:6])
    for unknown in ("", "nonsense", "%", "_" * len(first), "../etc"):
        with pytest.raises(InputError, match="no run"):
            store.get(unknown)


def test_an_event_written_twice_is_one_row(store: Store) -> None:
    run_id = add(store)
    for loss in (0.5, 0.25):
        store.write(run_id, [STARTED, pruned(0), epoch(1, loss=loss), megabatch_end(2), SegmentDone(3)])
    assert store.epochs(run_id)["train_loss"].tolist() == [0.25]
    assert len(store.megabatches(run_id)) == len(store.prunes(run_id)) == 1
    layers = store.layers(run_id)
    assert layers[["segment", "point", "layer", "seq", "kept", "alive", "total"]].to_numpy().tolist() == [
        [0, "prune", "first", 0, 6, 5, 10],
        [0, "prune", "second", 1, 2, 2, 10],
        [2, "end", "first", 0, 6, 5, 10],
        [2, "end", "second", 1, 2, 2, 10],
    ]
    row = store.get(run_id)
    assert (row["cursor"], row["hashes"]["order"], row["started"]["layers"][0]["total"]) == (3, "o", 10)


def test_several_prune_points_of_one_segment_are_kept_apart(store: Store) -> None:
    run_id = add(store)
    for _ in range(2):
        store.write(run_id, [pruned(0), pruned(0)], seqs=[0, 1])
    assert store.prunes(run_id)["seq"].tolist() == [0, 1]
    assert len(store.layers(run_id)) == 4


def test_rewind_drops_what_a_resume_will_write_anew(store: Store) -> None:
    run_id, other = add(store), add(store)
    for one in (run_id, other):
        store.write(one, [pruned(0), epoch(1), megabatch_end(2), pruned(3, 1), epoch(4, 1), SegmentDone(5)])
    store.rewind(run_id, 3)
    assert store.epochs(run_id)["segment"].tolist() == [1]
    assert store.layers(run_id)["segment"].max() == 2
    assert store.get(run_id)["cursor"] == 3
    assert len(store.epochs(other)) == 2


def test_numbers_that_are_none_and_text_that_is_no_unicode_survive(store: Store) -> None:
    hostile = "1 < 2 'quoted' \"too\"; DROP TABLE runs"
    run_id = add(store, title="bad \udc80 \0 name", progress={"loss": math.nan, "ids": (1, math.inf)}, error=hostile)
    store.write(run_id, [epoch(1, loss=math.nan)])
    row = store.get(run_id)
    assert row["progress"] == {"loss": None, "ids": [1, None]}
    assert row["error"] == hostile
    row["title"].encode()
    assert math.isnan(store.epochs(run_id)["train_loss"][0])


def test_empty_frames_have_the_columns_and_types_of_full_ones(store: Store) -> None:
    run_id = add(store)
    empty = [read(run_id) for read in (store.epochs, store.megabatches, store.prunes, store.layers)]
    store.write(run_id, [pruned(0), epoch(1), megabatch_end(2)])
    full = [read([run_id]) for read in (store.epochs, store.megabatches, store.prunes, store.layers)]
    for before, after in zip(empty, full, strict=True):
        assert before.dtypes.to_dict() == after.dtypes.to_dict()


def test_revision_changes_with_every_write_and_with_the_status_but_not_with_a_heartbeat(store: Store) -> None:
    run_id = add(store)
    seen = [store.revision(run_id)]
    store.beat([run_id])
    assert store.revision([run_id]) == seen[0] == store.revision()
    store.write(run_id, [epoch(1)])
    seen.append(store.revision(run_id))
    store.update(run_id, heartbeat=time.time() - 2 * heartbeat.LOST_SECONDS)
    seen.append(store.revision(run_id))
    assert len(set(seen)) == 3
    assert seen[-1][0][2] == "lost"


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
@pytest.mark.parametrize(
    ("columns", "is_lost"),
    [
        ({}, False),
        ({"pid": 2**22 + 1}, True),  # beyond any pid
        ({"process_started": 5.0, "heartbeat": -30.0}, True),  # the pid now belongs to another process
        ({"process_started": 5.0}, True),  # however fresh the beat: a clock may be ahead
        ({"process_started": 5.0, "heartbeat": 5 * 3600.0}, True),
        ({"heartbeat": 3600.0}, False),
        ({"heartbeat": -3600.0}, True),
        ({"host": "elsewhere", "pid": 2**22 + 1}, False),
        ({"host": "elsewhere", "heartbeat": -3600.0}, True),
        ({"host": "elsewhere", "heartbeat": 365 * 86_400.0}, True),
        ({"host": "elsewhere", "heartbeat": 30.0}, False),
        ({"process_started": psutil.Process().create_time()}, False),  # as earlier versions wrote it
    ],
)
def test_lost_is_seen_when_read(store: Store, status: str, columns: dict, is_lost: bool) -> None:
    beat = time.time() + columns.get("heartbeat", 0.0)  # given as seconds from now
    run_id = add(store, **{**columns, "status": status, "heartbeat": beat})
    assert store.get(run_id)["status"] == store.runs()[0]["status"] == ("lost" if is_lost else status)


def test_an_ended_run_is_never_lost(store: Store) -> None:
    assert store.get(add(store, status="done", pid=2**22 + 1, heartbeat=0.0))["status"] == "done"


def test_a_command_is_taken_once(store: Store) -> None:
    run_id = add(store)
    assert store.take_command(run_id) is None
    store.set_command(run_id, "pause")
    assert store.command(run_id) == "pause"
    assert [store.take_command(run_id), store.take_command(run_id)] == ["pause", None]


def test_only_one_of_many_claims_a_run(store: Store) -> None:
    run_id, taken, refused = add(store, status="stopped"), [], []

    def claim() -> None:
        try:
            taken.append(store.claim(run_id, ("stopped",), status="queued"))
        except InputError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (1, 7)
    assert "is queued" in refused[0]


def test_delete_removes_rows_and_files_of_ended_runs_only(store: Store) -> None:
    run_id, other = add(store), add(store)
    store.write(run_id, [pruned(0), epoch(1)])
    (paths.run_folder(store.folder, run_id) / "masks").mkdir(parents=True)
    with pytest.raises(InputError, match="stop it"):
        store.delete(run_id)
    store.update(run_id, status="failed")
    store.delete(run_id)
    assert [row["run_id"] for row in store.runs()] == [other]
    assert store.layers([run_id]).empty
    assert not paths.run_folder(store.folder, run_id).exists()
    with pytest.raises(InputError, match="no run"):
        store.write(run_id, [epoch(1)])


@pytest.mark.slow
def test_many_writers_and_readers_share_one_file(store: Store) -> None:
    run_ids, problems = [add(store) for _ in range(4)], []
    store = Store(store.url)

    def work(run_id: str) -> None:
        try:
            for segment in range(25):
                store.write(run_id, [epoch(segment), SegmentDone(segment + 1)])
                Store(store.url).revision(run_ids)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(run_id,)) for run_id in run_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert store.epochs(run_ids).groupby("run_id").size().tolist() == [25] * 4


def test_beats_and_commands_for_many_runs_in_any_order_never_wait_for_each_other(store: Store, any_address: str) -> None:
    run_ids, problems = [add(store) for _ in range(20)], []

    def work(order: list[str], write: str) -> None:
        own = Store(any_address)
        try:
            for _ in range(30):
                own.beat(order) if write == "beat" else own.update_all(order, ("queued",), command=None)
        except Exception as error:
            problems.append(error)
        own.close()

    orders = (run_ids, run_ids[::-1])
    threads = [threading.Thread(target=work, args=(order, write)) for order in orders for write in ("beat", "update")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


# ---- stores that cannot be used: one line that names the file and the remedy


def refused(path: Path | str, text: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(path, busy_seconds=0.2).runs()
    assert text in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.field == "store"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("shopping list: " + "milk " * 500)
    refused(path, f"store {path} is not a store")


def test_a_damaged_database(tmp_path: Path, file_store: Store) -> None:
    run_id = add(file_store)
    for segment in range(200):
        file_store.write(run_id, [pruned(segment)])
    file_store.close()
    path = Path(file_store.url.removeprefix("sqlite:///"))
    data = bytearray(path.read_bytes())
    data[2048:] = b"\x5a" * (len(data) - 2048)
    path.write_bytes(bytes(data))
    refused(path, "is damaged")


def test_a_damaged_index_is_found_when_the_store_is_opened(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query would answer, and some without the runs that are there."""
    add(file_store)
    file_store.close()
    path = Path(file_store.url.removeprefix("sqlite:///"))
    for statement in (
        "CREATE TABLE kept AS SELECT * FROM sqlite_master WHERE name = 'ix_runs_status'",
        "DELETE FROM sqlite_master WHERE name = 'ix_runs_status'",
        "UPDATE runs SET status = 'done'",  # the index does not hear of it
        "INSERT INTO sqlite_master SELECT * FROM kept",
    ):
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:  # each anew: a connection reads the schema once
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute(statement)
    refused(path, "missing from index ix_runs_status")
    refused(path, "doctor --repair")
    monkeypatch.setattr("appcore.storage.database._LOOKED_THROUGH", path.stat().st_size - 1)  # that would take too long at every start
    assert len(Store(path).runs()) == 1


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    refused(path, "another program")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_newer_store(store: Store, any_address: str) -> None:
    add(store)
    with store._database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE meta SET value = '999' WHERE key = 'schema'")
    refused(any_address, "newer version (schema 999")


def test_a_store_of_an_earlier_day_gets_the_columns_that_it_lacks(store: Store, any_address: str) -> None:
    run_id = add(store)
    store.write(run_id, [pruned(0), epoch(1)])
    before = store.epochs(run_id)
    with store._database.engine.begin() as connection:
        for table, column in (("epochs", "round"), ("prunes", "facts"), ("runs", "notes")):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
    store.close()
    again = Store(any_address)
    assert again.epochs(run_id)["round"].isna().all()
    again.write(run_id, [pruned(0), epoch(1)])
    assert again.epochs(run_id).equals(before)
    assert again.get(run_id)["notes"] is None
    again.close()


def test_facts_of_a_prune_point_are_kept_as_they_are(store: Store) -> None:
    run_id = add(store)
    facts = {"overlap": math.nan, "born": {"first": 1}, "scores": {"edges": [0.0, 1.5]}}
    store.write(run_id, [replace(pruned(0), facts=facts), pruned(3, 1)])
    assert store.prunes(run_id)["facts"].tolist() == [{**facts, "overlap": None}, {}]


def test_a_locked_store(file_store: Store) -> None:
    run_id = add(file_store)
    other = sqlite3.connect(file_store.url.removeprefix("sqlite:///"))
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"locked by another program for more than 0\.3 s"):
        file_store.update(run_id, title="new")
    other.rollback()
    file_store.update(run_id, title="new")
    other.close()


def test_a_full_disk(file_store: Store) -> None:
    run_id = add(file_store)
    with file_store._database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="the disk is full"):
        for segment in range(500):
            file_store.write(run_id, [pruned(segment)])
    assert file_store.get(run_id)["status"] == "queued"  # reading goes on


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "appcore.db", "cannot be used")
    refused(tmp_path, "is a folder")
    if Path("/proc/version").exists():
        refused("/proc/appcore/appcore.db", "/proc/appcore/appcore.db")


@pytest.mark.parametrize("address", ["mysql://me:secret@host/runs", "postgresql://", "sqlite://", "://", "http://x"])
def test_an_address_of_an_unknown_kind(address: str) -> None:
    with pytest.raises(StoreError, match="use a path") as caught:
        Store(address)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://me:secret@127.0.0.1:1/runs", "nobody answers"),
        ("postgresql://me:secret@/runs?host=/nowhere", "no server has that socket"),
    ],
)
def test_a_server_that_is_not_reached_is_one_line_without_the_password(address: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        Store(address).runs()
    assert "\n" not in caught.value.message
    assert "secret" not in caught.value.message


@NEEDS_SERVER
def test_a_database_or_user_that_is_not_there_is_one_line() -> None:
    for url in (make_url(SERVER).set(database="no_such_database"), make_url(SERVER).set(username="no_such_user")):
        with pytest.raises(StoreError, match=r"is not there; create the database and the user, or check their names in APPCORE_STORE"):
            Store(url.render_as_string(hide_password=False)).runs()


def test_a_missing_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'psycopg\[binary\]'"):
        Store("postgresql://me@host/runs")


def test_names_with_odd_characters_are_files(tmp_path: Path) -> None:
    path = tmp_path / "50 %? #1 ü.db"
    run_id = add(Store(path))
    assert path.exists()
    assert Store(Store(path).url).get(run_id)["run_id"] == run_id


def test_a_write_ahead_log_left_by_another_version_is_given_up(file_store: Store) -> None:
    add(file_store)
    file_store.close()
    with sqlite3.connect(file_store.url.removeprefix("sqlite:///")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert len(Store(file_store.url).runs()) == 1
    with sqlite3.connect(file_store.url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


# ---- results


def test_the_result_of_a_finished_run_is_the_documented_object(store: Store) -> None:
    run_id = add(store, status="done")
    store.write(run_id, [STARTED, pruned(0), epoch(1), megabatch_end(2), pruned(3, 1), epoch(4, 1), megabatch_end(5, 1)])
    store.write(run_id, [Finished(4.0, 15.0, 5, 1000, 400, 123, "w" * 64, {"train": 3.0})])
    result = run_result.result(store, run_id)
    assert {"run_id", "status", "config", "hashes", "megabatches", "totals"} <= set(result)
    assert result["hashes"] == {"init": "i", "order": "o", "scoring": "s"}
    assert [row["megabatch"] for row in result["megabatches"]] == [1, 2]
    assert result["megabatches"][0] == {
        "megabatch": 1,
        "density_requested": 0.4,
        "density_mask": 0.4,
        "density_effective": 0.4,
        "density_alive": 0.35,
        "layers": {"first": 0.6, "second": 0.2},
        "train_accuracy": 0.8,
        "val_accuracy": 0.7,
        "test_accuracy": 0.75,
        "generalization_gap": 0.1,
        "clean_train_accuracy": None,  # as in runs of earlier versions
        "clean_gap": None,
        "test_errors": 5,
        "cer": 5,
        "samples_seen": 30,
        "parameters": None,
        "cumulative_parameters": None,
        "seen_accuracy": None,
        "seconds": 2.0,
    }
    known = {name: value for name, value in result["totals"].items() if value is not None}
    assert known == {
        "seconds": 4.0,
        "images_per_second": 15.0,
        "cer": 5,
        "train_flops_dense": 1000,
        "train_flops_sparse": 400,
        "peak_memory_bytes": 123,
        "weights_hash": "w" * 64,
    }
    unknown = {
        f"{purpose}_flops_{kind}" for purpose in ("scoring", "growth", "validation", "test", "total") for kind in ("dense", "sparse")
    }
    assert set(result["totals"]) - set(known) == {*unknown, "cumulative_parameters"}


def test_numbers_of_an_earlier_version_stay_unknown_beside_those_of_today(store: Store) -> None:
    """Of a run that an earlier version began and this one ended; whole numbers stay whole."""
    run_id = add(store, status="stopped")
    later = replace(megabatch_end(5, 1), clean_train_accuracy=0.9, clean_gap=0.15, clean_train_images=60, parameters=700)
    store.write(run_id, [STARTED, megabatch_end(2), later])
    first, second = run_result.result(store, run_id)["megabatches"]
    assert first["clean_gap"] is first["parameters"] is None and (second["clean_gap"], second["parameters"]) == (0.15, 700)
    assert isinstance(second["parameters"], int) and json.loads(json.dumps([first, second])) == [first, second]
    assert store.megabatches(run_id)["clean_gap"].isna().tolist() == [True, False]
    known, lines = bundle_record.describe(store, run_id)
    _, _, entries = bundle_record.read(known, lines)
    assert [one.megabatch.parameters for one in entries] == [None, 700]


def test_the_result_of_an_unfinished_run_has_the_same_shape(store: Store) -> None:
    run_id = add(store)
    assert run_result.result(store, run_id)["megabatches"] == []
    store.write(run_id, [STARTED, pruned(0), epoch(1), megabatch_end(2), pruned(3, 1)])
    result = run_result.result(store, run_id)
    assert len(result["megabatches"]) == 1
    assert result["totals"]["cer"] == 5
    assert result["totals"]["seconds"] == 2.0
    assert result["totals"]["weights_hash"] is None


@pytest.mark.thorough
def test_lists_of_runs_of_many_lengths_need_few_statements(tmp_path: Path) -> None:
    """The driver of SQLite keeps a statement for each text; one for every length of a growing library came to 0.2 MiB a run at 800 runs."""
    store = Store(tmp_path / "runs.db")
    ids = [store.create_run(CONFIG, plan_length=5) for _ in range(3)]
    seen = set()

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.add(statement)

    try:
        for length in range(1, 65):
            chosen = (ids * 30)[:length]
            assert {row[0] for row in store.revision(chosen)} == set(chosen)
            assert store.megabatches(chosen).empty
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert store.revision([]) == () and store.megabatches([]).empty
    texts = [statement for statement in seen if " IN (" in statement]
    assert 2 <= len(texts) <= 2 * 7  # 1, 2, 4 ... 64 ids, two tables
    store.close()
