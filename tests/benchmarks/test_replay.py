"""What a run said to a server, said again for another run, leaves the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import stores
from standin import SETTINGS, StandIn

from appcore.config import build
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage.store import Store


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    yield from stores.address("postgresql", tmp_path, monkeypatch)


def test_a_script_sleeps_between_transactions_and_names_the_other_run() -> None:
    replay = pytest.importorskip("benchmarks.replay")
    said = [(10.0, 10.5, ["SELECT 'one'", "UPDATE a SET b = 'one'"]), (12.0, 12.1, ["UPDATE a SET c = 1 WHERE a.host = 'here'::VARCHAR"])]
    assert replay.script(said, 11.0, "one", "other").splitlines() == [
        "\\if :is_first",
        *("SELECT 1;", "BEGIN;", "SELECT 'other';", "UPDATE a SET b = 'other';", "COMMIT;"),
        *("\\set is_first 0", "\\endif", "\\sleep 1500000 us"),
        *("SELECT 1;", "BEGIN;", "UPDATE a SET c = 1 WHERE a.host='elsewhere'::VARCHAR;", "COMMIT;"),
    ]


@stores.NEEDS_SERVER
def test_a_replayed_run_has_the_rows_of_the_one_that_was_taken_down(address: str, tmp_path: Path) -> None:
    replay = pytest.importorskip("benchmarks.replay")
    if not replay.program():
        pytest.skip("needs pgbench, which comes with a PostgreSQL server")
    config = build(SETTINGS)
    with closing(Store(address)) as store:
        one, other = (store.create_run(config, plan_length=len(plan(config))) for _ in range(2))
        with closing(Store(address)) as driven:
            driven.runs(1)
            recorder = replay.Recorder(driven._database.engine)
            assert driver.drive(driven, one, work=StandIn(step_seconds=0.01)) == "done"
        with closing(replay.Players(address, recorder.transactions, one, tmp_path, again=0.0)) as players:
            players.start([other], times=1)
            players.wait()
        assert store.get(other)["status"] == "done" and store.get(other)["host"] == "elsewhere"
        for rows in (store.epochs, store.prunes, store.megabatches):
            of_one, of_other = (rows(run_id).drop(columns="run_id", errors="ignore") for run_id in (one, other))
            assert len(of_one) > 0 and of_one.equals(of_other)
