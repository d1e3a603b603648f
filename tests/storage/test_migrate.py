"""Stores of earlier versions are brought forward when they are opened; those of later versions and broken steps change nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from appcore import paths
from appcore.storage import migrate, run_result, schema
from appcore.storage.migrations import v2
from appcore.storage.store import Store, StoreError

FIRST = Path(__file__).parents[1] / "data" / "store-version-1.sql"  # made by the program as it was on the day of its first store
RUN = "20261121-030854-85df"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A store of version 1 with one run."""
    path = tmp_path / "runs" / "appcore.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST.read_text(encoding="utf-8"))
    connection.close()
    return path


def differences(store: Store) -> list:
    """What alembic finds between the store and a new one; SQLite has no true types, so only names and keys count there. It does not know
    that an index is for SQLite alone."""
    with store._database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": False}), schema.metadata)
        return [one for one in found if connection.dialect.name == "sqlite" or str(schema.NEWS.name) not in str(one)]


def versions(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    connection.close()
    return found


def test_a_store_of_the_first_version_is_brought_up_after_a_copy(first: Path) -> None:
    store = Store(first)
    row = store.get(RUN)
    assert (row["status"], row["owner"], row["tags"], row["archived"]) == ("done", "", [], False)
    assert len(run_result.result(store, RUN)["megabatches"]) == 2
    assert len(store.layers(RUN)) == 2 * 2 * 3  # as they were written, a row for each
    assert store.ablations.all() == []
    assert differences(store) == []
    assert versions(first) == str(schema.VERSION)
    assert versions(paths.before_upgrade(first, 1)) == "1"
    store.update(RUN, title="new")
    store.close()
    assert Store(first).get(RUN)["title"] == "new"


def test_the_copy_opens_as_a_store(first: Path) -> None:
    Store(first).runs()
    copy = first.with_name("copy.db")
    paths.before_upgrade(first, 1).rename(copy)
    assert [row["run_id"] for row in Store(copy).runs()] == [RUN]


def test_a_step_that_fails_changes_nothing_and_is_taken_again(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = v2.upgrade

    def half(op: object) -> None:
        real(op)
        raise OSError("the power is gone")

    monkeypatch.setattr(v2, "upgrade", half)
    with pytest.raises(StoreError, match="the power is gone"):
        Store(first).runs()
    assert versions(first) == "1"
    with sqlite3.connect(first) as connection:
        assert "owner" not in [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    connection.close()
    monkeypatch.setattr(v2, "upgrade", real)
    assert Store(first).get(RUN)["owner"] == ""


def test_many_that_open_at_once_take_the_step_once(first: Path) -> None:
    problems: list[Exception] = []

    def work() -> None:
        try:
            assert Store(first).get(RUN)["owner"] == ""
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert differences(Store(first)) == []


@pytest.fixture
def new(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    store.runs()
    yield store
    store.close()


def test_a_new_store_is_the_present_schema_and_has_no_copy(new: Store) -> None:
    assert differences(new) == []
    assert not list(new.folder.glob("*.version-*"))


def test_the_step_is_the_same_on_every_database(new: Store, any_address: str) -> None:
    with new._database.engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_runs_owner")
        for table in ("runs", "sweeps"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN owner")
        connection.exec_driver_sql("UPDATE meta SET value = '1' WHERE key = 'schema'")
    new.close()
    again = Store(any_address)
    again.runs()
    assert differences(again) == []
    with again._database.engine.connect() as connection:
        assert migrate.version(connection) == schema.VERSION
    again.close()


def test_many_that_make_a_store_at_once_make_one(any_address: str) -> None:
    problems: list[Exception] = []

    def work() -> None:
        try:
            store = Store(any_address)
            assert store.runs() == []
            store.close()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


@pytest.mark.thorough
def test_opening_a_present_store_imports_no_alembic(tmp_path: Path) -> None:
    store = Store(tmp_path / "appcore.db")
    store.runs()
    code = f"import sys; from appcore.storage.store import Store; Store({store.url!r}).runs(); sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_a_store_that_knows_no_tests_of_rounds_gets_an_empty_table(tmp_path: Path) -> None:
    path = tmp_path / "appcore.db"
    store = Store(path)
    store.runs()
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE rounds")
    connection.close()
    again = Store(path)
    assert len(again.rounds(["20261121-030854-85df"])) == 0 and differences(again) == []


def test_a_file_without_the_index_for_news_gets_it_and_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "appcore.db"
    Store(path).runs()
    with sqlite3.connect(path) as connection:
        connection.execute(f"DROP INDEX {schema.NEWS.name}")
    connection.close()
    again = Store(path)
    again.runs()
    assert differences(again) == []
    assert [file.name for file in path.parent.glob("*.db*")] == ["appcore.db"]
