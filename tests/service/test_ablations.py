"""Ablations without training: which runs they consist of, what is left out and why, the queue's order, runs that are used again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_runs
import pytest
from standin import SETTINGS, StandIn

from appcore import names
from appcore.config import RunConfig, build
from appcore.errors import InputError
from appcore.names import MOST_TITLE
from appcore.planning import ablation_grid, axis_values
from appcore.planning.plan import plan
from appcore.service.manager import Manager
from appcore.storage.store import Store
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle

AXES = {"pruner": ["snip", "magnitude"], "seed": [0, 1]}
LONG = {**SETTINGS, "epochs": 1000}


@pytest.fixture
def store(any_address: str) -> Iterator[Store]:
    store = Store(any_address)
    yield store
    store.close()


@pytest.fixture
def manager(store: Store) -> Iterator[Manager]:
    manager = Manager(store, work=StandIn(step_seconds=0.002))
    yield manager
    manager.close()


def wait(until: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def values(found: dict[str, Any]) -> list[tuple]:
    return [tuple(cell["values"].values()) for cell in found["cells"]]


def test_two_pruners_by_two_seeds_are_four_runs_that_differ_in_nothing_else() -> None:
    found = ablation_grid.expand(SETTINGS, AXES)
    assert values(found) == [("snip", 0), ("snip", 1), ("magnitude", 0), ("magnitude", 1)]
    assert found["left_out"] == []
    assert len({cell["fingerprint"] for cell in found["cells"]}) == 4
    first, last = found["cells"][0]["config"], found["cells"][3]["config"]
    assert {name for name in first if first[name] != last[name]} == {"pruner", "seed"}


def test_a_setting_that_plays_no_part_gives_one_run_and_says_so() -> None:
    found = ablation_grid.expand(SETTINGS, {"method": ["app", "dense"], "pruner": ["snip", "magnitude"]})
    assert values(found) == [("app", "snip"), ("app", "magnitude"), ("dense", None)]
    assert [left["reason"] for left in found["left_out"]] == ["pruner plays no part here: the same run as another combination"]


@pytest.mark.parametrize(
    ("axes", "count", "reason"),
    [
        ({"megabatches": [2, 5000]}, 1, "5000 is not possible"),
        ({"megabatches": [2, 900]}, 1, "900 megabatches"),  # refused by the data, not by the settings
        ({"semantics": ["paper", "released-code"], "method": ["osp"]}, 1, "released-code is a way of running app"),
        ({"pruner": ["snip", "nonsense"]}, 1, "unknown name 'nonsense'"),
        ({"options.rounds": [3, 9], "pruner": ["snip", "force"]}, 3, "options.rounds plays no part here"),
    ],
)
def test_combinations_that_make_no_sense_are_left_out_with_the_reason(axes: dict, count: int, reason: str) -> None:
    found = ablation_grid.expand(SETTINGS, axes)
    assert len(found["cells"]) == count
    assert reason in found["left_out"][0]["reason"]


def test_too_many_are_refused_before_they_are_counted_out() -> None:
    with pytest.raises(InputError, match="too many"):
        ablation_grid.expand(SETTINGS, {"seed": list(range(501))})
    with pytest.raises(InputError, match="100,000,000"):
        ablation_grid.expand(SETTINGS, {"seed": range(10_000), "tau": range(10_000)})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("seed", "0-3, 7, 3", [0, 1, 2, 3, 7]),
        ("tau", "1, 4.5", [1.0, 4.5]),
        ("lr_drops", "0.4, 0.8; 0.5", [(0.4, 0.8), (0.5,)]),
        ("exempt", "conv1, fc; conv1", [("conv1", "fc"), ("conv1",)]),
        ("options.rounds", "3-4", [3, 4]),
        ("options.temperature", "0.5", [0.5]),
        ("seed", "", []),
    ],
)
def test_values_as_people_type_them(name: str, text: str, expected: list) -> None:
    assert axis_values.parse(name, text) == expected


@pytest.mark.parametrize(("name", "text"), [("seed", "1.5"), ("seed", "zebra"), ("tau", "nan"), ("seed", "0-99999"), ("lr_drops", "0.4;x")])
def test_what_is_no_value_is_named(name: str, text: str) -> None:
    with pytest.raises(InputError) as refused:
        axis_values.parse(name, text)
    assert refused.value.field == name


def test_few_estimates_price_many_runs() -> None:
    found = ablation_grid.expand(SETTINGS, {"megabatches": [2, 3], "tau": [2.0, 4.5], "seed": [0, 1, 2]})
    assert [(config["megabatches"], count) for config, count in ablation_grid.shapes(found["cells"])] == [(2, 6), (3, 6)]


def test_every_axis_can_be_listed_or_typed() -> None:
    base = ablation_grid.expand(SETTINGS, {"seed": [0]})["cells"][0]["config"]
    for name in ablation_grid.axis_names():
        menu = ablation_grid.menu(name, base)
        assert menu is None or len(menu) > 1 or name == "schedule", name
    assert "snip" in ablation_grid.menu("pruner", base)
    values = {"pruner": "snip", "tau": 4.5, "lr_drops": [0.5], "scope": None}
    assert ablation_grid.label({"values": values}) == "SNIP, 63.36\u00a0% sparse, lr drops 0.5"


@pytest.mark.parametrize("settings", [{"scope": "flops"}, {"densities": ["conv1=0.5"]}])
def test_tau_is_called_a_sparsity_only_where_it_leads_to_a_share_of_weights(settings: dict) -> None:
    assert ablation_grid.label({"values": {"tau": 4.5, "seed": 1}, "config": {**SETTINGS, **settings}}) == "tau 4.5, seed 1"
    axes = {"tau": [2.0, 4.5]}
    assert not ablation_grid.counts_weights({**SETTINGS, **settings}, axes) and ablation_grid.counts_weights(SETTINGS, axes)
    varied = {**axes, **{name: [value, type(value)()] for name, value in settings.items()}}
    assert not ablation_grid.counts_weights(SETTINGS, varied)
    assert ablation_grid.title(axes, of_weights=False) == "Tau" and ablation_grid.title(axes) == "Final sparsity"


# ---- carried out


@pytest.mark.thorough
def test_an_ablation_runs_one_after_another_and_again_only_what_is_missing(manager: Manager, store: Store) -> None:
    (before,) = manager.start([{**SETTINGS, "pruner": "magnitude", "seed": 1}])
    wait(lambda: store.get(before)["status"] == "done")
    sweep = manager.ablations.create("", SETTINGS, AXES)
    assert manager.ablations.create("", SETTINGS, AXES) == sweep  # pressed twice
    assert [cell["run"] for cell in manager.ablations.board(sweep)["cells"]] == [None] * 4
    found = manager.ablations.run_missing(sweep)
    assert found["reused"] == [before]
    assert len(found["started"]) == 3
    assert manager.ablations.run_missing(sweep) == {"reused": [], "started": []}
    wait(lambda: all(cell["run"]["status"] == "done" for cell in manager.ablations.board(sweep)["cells"]))
    assert manager.ablations.board(sweep)["cells"][0]["run"]["title"] == "SNIP, seed 0"
    manager.delete(found["started"][0])
    assert len(manager.ablations.run_missing(sweep)["started"]) == 1
    assert manager.ablations.get(sweep)["title"] == "Pruner, 2 seeds"
    manager.ablations.delete(sweep)
    assert len(store.runs()) == 4  # runs stay
    with pytest.raises(InputError, match="no ablation"):
        manager.ablations.get(sweep)


def test_an_empty_ablation_is_refused(manager: Manager) -> None:
    with pytest.raises(InputError, match="nothing to run"):
        manager.ablations.create("", SETTINGS, {"pruner": ["nonsense"]})


def test_waiting_runs_are_moved_held_released_and_cancelled(manager: Manager, store: Store) -> None:
    (busy,) = manager.start([LONG])
    a, b, c = manager.start([{**LONG, "seed": seed} for seed in (1, 2, 3)], group="s1")
    wait(lambda: store.get(busy)["status"] == "running")
    assert manager.waiting() == [a, b, c]
    manager.move(c, "front")
    manager.move(a, "down")
    assert manager.waiting() == [c, b, a]
    manager.move(a, "up")
    manager.move(c, "back")
    assert manager.waiting() == [a, b, c]
    manager.send([a, b], "pause")
    assert [store.get(run_id)["status"] for run_id in (a, b, c)] == ["paused", "paused", "queued"]
    manager.stop(busy)
    wait(lambda: store.get(c)["status"] == "running")  # the held ones let it pass
    manager.send([b], "resume")
    assert store.get(b)["status"] == "queued"
    manager.send([a, b, c], "stop")
    wait(lambda: {store.get(run_id)["status"] for run_id in (a, b, c)} == {"stopped"})
    with pytest.raises(InputError, match="is not waiting"):
        manager.move(a, "up")
    with pytest.raises(InputError, match="unknown place"):
        manager.move(a, "sideways")


def test_labels_are_tidied_kept_and_judged(manager: Manager, store: Store) -> None:
    run_id = fake_runs.write(store)
    assert {name: store.get(run_id)[name] for name in ("tags", "note", "archived")} == {"tags": [], "note": "", "archived": False}
    name = "<script>alert(1)</script> 🧠"
    manager.label(run_id, title=f"  {name} ", tags=" a, b b ,a,", note="one\ntwo ", archived=True)
    row = store.get(run_id)
    assert (row["title"], row["tags"], row["note"], row["archived"]) == (name, ["a", "b b"], "one\ntwo", True)
    for labels in (
        {"title": "x" * (MOST_TITLE + 1)},
        {"tags": ["x" * 41]},
        {"tags": [str(i) for i in range(21)]},
        {"note": "x" * 20_001},
        {"status": "done"},
    ):
        with pytest.raises(InputError):
            manager.label(run_id, **labels)


def test_one_length_of_titles_holds_on_every_way_in(manager: Manager, store: Store, tmp_path: Path) -> None:
    run_id, longest = fake_runs.write(store), "x" * MOST_TITLE
    sweep = manager.ablations.create(longest, SETTINGS, {"seed": [0, 1]})
    ways: list[Callable[[str], Any]] = [
        lambda title: manager.label(run_id, title=title),
        lambda title: manager.start([SETTINGS], titles=[title]),
        lambda title: manager.ablations.create(title, SETTINGS, {"seed": [0, 2]}),
        lambda title: manager.ablations.rename(sweep, title),
    ]
    for way in ways:
        way(longest)
        with pytest.raises(InputError, match="title: 2,001 characters"):
            way(longest + "x")
    assert {one["title"] for one in [*store.runs(), *manager.ablations.all()]} == {longest}
    config = build(SETTINGS)
    old = store.create_run(config, plan_length=len(plan(config)), title=longest + "x")  # as an earlier version may have
    store.update(old, status="stopped")
    other = Store(tmp_path / "other" / "appcore.db")
    came = import_bundle(other, export(store, old, tmp_path / "exported")[-1])
    title = other.get(came)["title"]
    assert title == names.fitting(longest + "x") and title.endswith(" …") and len(title) == MOST_TITLE
    assert len(ablation_grid.label({"values": {"densities": [f"layer{number}=0.5" for number in range(500)]}})) == MOST_TITLE


def test_a_store_of_an_earlier_day_gets_what_it_lacks(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs" / "appcore.db")
    run_id = fake_runs.write(store)
    store.close()
    with sqlite3.connect(store.folder / "appcore.db") as file:
        for statement in (
            "DROP TABLE sweep_runs",
            "DROP TABLE sweeps",
            *(f"ALTER TABLE runs DROP COLUMN {c}" for c in ("tags", "note", "archived")),
        ):
            file.execute(statement)
    again = Store(store.folder / "appcore.db")
    assert again.get(run_id)["tags"] == []
    assert again.ablations.all() == []
    again.ablations.add_runs(again.ablations.create("x", {}, {"seed": [0]}), [run_id, run_id])
    again.delete(run_id)
    assert again.ablations.all()[0]["run_ids"] == []


def test_seeds_of_an_ablation_have_images_of_their_own_and_those_of_earlier_versions_had_the_same(manager: Manager, store: Store) -> None:
    base, axes = {**SETTINGS, "limit_train": 60}, {"seed": [0, 1], "pruner": ["snip", "magnitude"]}
    old = store.ablations.create("from before", base, axes)  # as earlier versions wrote it: without the setting
    assert store.ablations.get(old)["base"]["subset_seed"] == 0 == store.ablations.all()[0]["base"]["subset_seed"]
    for pruner in axes["pruner"]:
        config = build({**base, "seed": 1, "pruner": pruner, "subset_seed": 0})
        assert RunConfig(**{**base, "seed": 1, "pruner": pruner}).fingerprint != config.fingerprint
        store.ablations.add_runs(old, [store.create_run(config, plan_length=9)])
    cells = manager.ablations.board(old)["cells"]
    assert [cell["run"] is not None for cell in cells if cell["values"]["seed"] == 1] == [True, True]
    new = manager.ablations.create("today", base, axes)
    assert new != old and manager.ablations.create("today", base, axes) == new
    images = {build(cell["config"]).images_seed for cell in manager.ablations.board(new)["cells"]}
    assert images == {0, 1} and {build(cell["config"]).images_seed for cell in cells} == {0}
