"""Several processes at one store: no limit is passed by coming at the same moment, no ablation is started twice or half."""

from __future__ import annotations

import random
from collections.abc import Iterator

import at_once
import pytest
from standin import SETTINGS, StandIn

from appcore import limits, paths
from appcore.service.manager import Manager
from appcore.storage.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    store.folder.mkdir(parents=True, exist_ok=True)
    store.runs(1)
    yield store
    store.close()


def allow(store: Store, text: str) -> None:
    paths.limits(store.folder).write_text(text, encoding="utf-8")
    limits._read.cache_clear()


def started(answers: list[dict]) -> list:
    return [answer["started"] for answer in answers if "started" in answer]


@pytest.mark.parametrize(("limit", "people"), [("queue = 1", list("abcdefgh")), ("runs_per_user = 1", ["a"] * 8)])
def test_eight_processes_that_start_at_one_instant_keep_the_limit(store: Store, any_address: str, limit: str, people: list[str]) -> None:
    allow(store, limit)
    answers = at_once.together("start", any_address, people)
    name, most = limit.split(" = ")
    assert len(started(answers)) == int(most) == len(store.runs())
    assert all(f"(limit {name})" in answer["refused"] for answer in answers if "refused" in answer)


def test_eight_processes_that_resume_at_one_instant_keep_the_limit(store: Store, any_address: str) -> None:
    manager = Manager(store, work=StandIn(step_seconds=0.002))
    run_ids = [manager.start([at_once.LONG])[0] for _ in range(8)]
    manager.close()
    assert {row["status"] for row in store.runs()} == {"stopped"}
    allow(store, "queue = 1")
    answers = at_once.together("resume", any_address, run_ids)
    assert len(started(answers)) == 1
    statuses = [row["status"] for row in store.runs()]
    assert statuses.count("stopped") >= 7  # those that were refused stayed as they were
    assert set(statuses) <= {"stopped", "lost"}  # the other ended with its process


def test_processes_that_start_one_ablation_at_one_instant_start_each_run_once(store: Store, any_address: str) -> None:
    sweep_id = store.ablations.create("both", dict(at_once.LONG), {"pruner": ["snip", "magnitude"], "seed": [0, 1, 2]})
    answers = at_once.together("run_missing", any_address, [sweep_id] * 4)
    assert sorted(map(len, started(answers))) == [0, 0, 0, 6]
    assert len(store.runs()) == len({row["fingerprint"] for row in store.runs()}) == 6


def test_an_ablation_killed_while_it_starts_is_whole_or_has_nothing(store: Store, any_address: str) -> None:
    draw, make = random.Random(0), store.ablations.create
    sweeps = [make(f"{number}", {**SETTINGS, "epochs": 3 + number}, at_once.AXES) for number in range(8)]
    at_once.kill(any_address, {sweep_id: draw.uniform(0.0, 1.5) for sweep_id in sweeps[:-1]} | {sweeps[-1]: at_once.DONE})
    linked = [len(store.ablations.get(sweep_id)["run_ids"]) for sweep_id in sweeps]
    assert set(linked) <= {0, at_once.CELLS}
    assert linked[-1] == at_once.CELLS  # by then it had started
    assert len(store.runs()) == sum(linked)  # no run belongs to nothing
    manager = Manager(store, work=StandIn())
    for sweep_id, there in zip(sweeps, linked):
        assert len(manager.ablations.run_missing(sweep_id)["started"]) == at_once.CELLS - there
        assert manager.ablations.run_missing(sweep_id) == {"reused": [], "started": []}
    manager.close()
    assert len(store.runs()) == len(sweeps) * at_once.CELLS
