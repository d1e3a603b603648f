"""The page Ablations on empty, running, finished and failed stores: cost before the start, board, results, retry, links. No browser."""

from __future__ import annotations

from typing import Any

import fake_runs
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import no_warm_up, opened, store, words  # noqa: F401

from appcore.planning import ablation_grid
from appcore.service import manager
from appcore.storage.store import Store

BASE = {"megabatches": 4, "epochs": 2}
AXES = {"pruner": ["snip", "magnitude"], "seed": [0, 1]}
COST = {"samples": 1_000, "training_flops": 2e9, "seconds": 10.0, "memory_bytes": 1, "measured_on": "a few steps"}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager.Manager, "estimate", lambda self, config: COST)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, store: Store) -> list[dict[str, Any]]:  # noqa: F811
    """Configurations that were started; the runs are made up and done."""
    told: list[dict[str, Any]] = []

    def start(configs: list[dict], launcher: str, titles: list[str], group: str, ablation: tuple, known: Any) -> list[str]:
        told.extend(configs)
        run_ids = [fake_runs.write(store, title=title, group=group, **config) for config, title in zip(configs, titles)]
        store.ablations.add_runs(ablation[0], [*ablation[1], *run_ids])
        return run_ids

    monkeypatch.setattr(manager.shared().ablations, "_start", start)
    return told


def swept(store: Store, *states: str, axes: dict | None = None, title: str = "") -> str:  # noqa: F811
    """An ablation whose first cells have runs in these states."""
    sweep_id = manager.shared().ablations.create(title, BASE, axes or AXES)
    for cell, state in zip(ablation_grid.expand(BASE, axes or AXES)["cells"], states):
        run_id = fake_runs.write(store, until=None if state == "done" else 4, status=state, **cell["config"])
        if state in ("running", "queued", "paused"):
            fake_runs.keep_alive(store, run_id)
        store.ablations.add_runs(sweep_id, [run_id])
    return sweep_id


def test_an_ablation_of_which_no_run_can_be_made_says_why(store: Store) -> None:  # noqa: F811
    sweep_id = store.ablations.create("of a plug-in that is gone", dict(BASE), {"arch": ["gone"]})
    app = opened("ablations", sweep=sweep_id)
    assert not app.exception and app.title[0].value == "of a plug-in that is gone"
    assert "reasons stand below" in app.error[0].value
    assert any("gone" in str(value) for frame in app.dataframe for value in frame.value.to_numpy().ravel())


def labels(app: AppTest) -> dict[str, bool]:
    return {button.label: button.disabled for button in app.button}


def test_number_of_runs_and_cost_come_first() -> None:
    app = opened("ablations")
    assert {metric.label: metric.value for metric in app.metric} == {
        "Runs": "6",
        "Training images": "6,000",
        "Training FLOPs, dense": "12 GFLOP",
        "Time": "≈ 1 min",
    }
    assert labels(app)["Start 6 runs"] is False
    assert "No ablations yet" in words(app)


def test_what_makes_no_sense_is_listed_with_its_reason() -> None:
    app = opened("ablations")
    app.multiselect(key="vary").set_value(["pruner", "method"]).run()
    assert "choose at least one value" in words(app)
    app.multiselect(key="axis-method").set_value(["app", "dense"]).run()
    assert "Start 3 runs" in labels(app)
    left = next(table.value for table in app.dataframe if "Reason" in table.value)
    assert left["Reason"].tolist() == ["pruner plays no part here: the same run as another combination"]
    assert not app.exception


def test_what_cannot_be_read_is_told_at_its_field() -> None:
    app = opened("ablations")
    app.text_input(key="axis-seed").set_value("0, <b>zebra</b>").run()
    assert "no whole number" in words(app)
    assert not any(label.startswith("Start") for label in labels(app))
    app.text_input(key="axis-seed").set_value("0-600").run()
    assert "at most 500" in words(app)
    assert not app.exception


def test_every_setting_can_be_varied() -> None:
    app = opened("ablations")
    app.multiselect(key="vary").set_value(ablation_grid.axis_names()).run()
    assert not app.exception


@pytest.mark.thorough
def test_start_runs_what_does_not_exist_and_opens_the_board(store: Store, started: list) -> None:  # noqa: F811
    existing = fake_runs.write(store, **ablation_grid.expand({}, {"pruner": ["snip"], "seed": [0]})["cells"][0]["config"])
    store.update(existing, hashes={"init": "a"})  # of a version that kept no hash of the data
    app = opened("ablations")
    app.text_input(key="axis-seed").set_value("0-1").run()
    assert "1 of them exist already" in words(app)
    app.button(key="start").click().run()
    assert not app.exception
    assert [(config["pruner"], config["seed"]) for config in started] == [("magnitude", 0), ("snip", 1), ("magnitude", 1)]
    sweep = store.ablations.all()[0]
    assert existing in sweep["run_ids"]
    assert sweep["sweep_id"] in str(app.query_params["sweep"])
    assert "4 of 4 runs done" in words(app)


def test_a_fixed_value_is_a_setting_of_all_runs(store: Store, started: list) -> None:  # noqa: F811
    app = opened("ablations")
    app.multiselect(key="vary").set_value(["pruner", "seed", "arch", "limit_train"]).run()
    app.multiselect(key="axis-arch").set_value(["mlp"])
    app.text_input(key="axis-limit_train").set_value("200")
    app.text_input(key="axis-seed").set_value("0").run()
    app.button(key="start").click().run()
    assert not app.exception
    assert {(config["arch"], config["limit_train"]) for config in started} == {("mlp", 200)}
    assert list(store.ablations.all()[0]["axes"]) == ["pruner"]


def test_a_running_ablation_can_be_paused_and_cancelled(store: Store) -> None:  # noqa: F811
    app = opened("ablations", sweep=swept(store, "done", "running", "queued"))
    text = words(app)
    assert "1 of 4 runs done" in text
    assert labels(app) | {"Run missing (1)": False, "Pause": False, "Cancel": False} == labels(app)
    assert not {"Try again (0)", "To the front"} & labels(app).keys()
    app.button(key="cancel").click().run()
    assert [run["command"] for run in store.runs()] == ["stop", "stop", None]


def test_failed_cells_say_why_and_can_be_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    resumed: list[str] = []
    monkeypatch.setattr(manager.Manager, "resume", lambda self, run_id: resumed.append(run_id))
    app = opened("ablations", sweep=swept(store, "done", "failed", "stopped"))
    assert "SNIP, seed 1" in words(app)
    assert "the disk is full" in words(app)
    next(button for button in app.button if button.label == "Try again").click().run()
    app.button(key="again").click().run()
    assert len(resumed) == 3
    assert not app.exception


FOUR = {"tau": [2.0, 4.5], "method": ["app", "dense"], "scope": ["global", "erk"], "seed": [0, 1]}


@pytest.mark.thorough
@pytest.mark.parametrize("view", ["Heatmap", "Lines", "Parallel coordinates", "Table"])
@pytest.mark.parametrize("axes", [AXES, {"pruner": ["snip", "magnitude"]}, {"seed": [0, 1]}, FOUR])
def test_every_view_of_every_kind_of_ablation(store: Store, view: str, axes: dict) -> None:  # noqa: F811
    count = len(ablation_grid.expand(BASE, axes)["cells"])
    app = opened("ablations", sweep=swept(store, *["done"] * (count - 1), "failed", axes=axes), view=view)
    assert f"{count - 1} of {count} runs done" in words(app)


def test_the_table_has_mean_spread_and_n_and_marks_no_winner_without_proof(store: Store) -> None:  # noqa: F811
    sweep_id = swept(store, *["done"] * 4)
    app = opened("ablations", sweep=sweep_id, view="Table")
    table = next(table.value for table in app.dataframe if "± SD" in table.value)
    assert table["n"].tolist() == [2, 2]
    for pruner, mean in zip(table["Pruner"], table["Mean"]):
        runs = [run["run_id"] for run in store.runs() if run["pruner"] == pruner.lower()]
        assert mean == pytest.approx(100 * store.megabatches(runs, newest=True)["test_accuracy"].mean(), abs=0.005)
    assert set(table["Best"]) == {""}
    assert "No winner is marked" in words(app)
    app.session_state["paper"] = True
    app.run()
    latex, _ = (code.value for code in app.code)
    assert r"Pruner & Runs & Test accuracy, \% \\" in latex and "ahead of every other pruner" in latex
    assert f"SNIP & $2$ & ${table['Mean'][table['Pruner'] == 'SNIP'].iloc[0]:.1f} \\pm" in latex


def test_an_ablation_that_is_not_there_is_told_in_one_line() -> None:
    app = opened("ablations", sweep="s20990101-000000-abcd")
    assert "s20990101" in app.error[0].value


def test_hostile_titles_are_text(store: Store) -> None:  # noqa: F811
    title = "<script>alert(1)</script> **b** 🧠 " + "long " * 30
    sweep_id = swept(store, "failed", title=title)
    for app in (opened("ablations", sweep=sweep_id), opened("ablations")):
        assert r"\<script>" in words(app)
        assert "**b**" not in words(app)


def test_a_title_is_changed_and_an_ablation_forgotten(store: Store) -> None:  # noqa: F811
    sweep_id = swept(store, "done")
    app = opened("ablations", sweep=sweep_id)
    app.text_input(key="rename-sweep").set_value("Another").run()
    assert store.ablations.get(sweep_id)["title"] == "Another"
    app.button(key="forget").click().run()
    assert store.ablations.all() == []
    assert len(store.runs()) == 1
    assert not app.exception


def test_results_can_be_confined_to_one_value_of_another_setting(store: Store) -> None:  # noqa: F811
    app = opened("ablations", sweep=swept(store, *["done"] * len(ablation_grid.expand(BASE, FOUR)["cells"]), axes=FOUR))
    assert "Averaged over: scope, seed." in words(app)
    app.selectbox(key="only-scope").select("erk").run()
    assert "Averaged over: seed." in words(app)
    assert not app.exception


def test_runs_with_other_data_or_from_another_machine_are_said_to_be_so(store: Store) -> None:  # noqa: F811
    sweep_id = swept(store, "done", "done", "done", "done")
    text = words(opened("ablations", sweep=sweep_id))
    assert "were changed between these runs" not in text and "different software or machines" not in text
    newest = store.runs()[0]
    store.update(newest["run_id"], hashes={**newest["hashes"], "data": "other"}, versions={"torch": "2.16.0"})
    store.update(store.runs()[1]["run_id"], versions={"torch": "2.15.0"})
    text = words(opened("ablations", sweep=sweep_id)).replace("\\", "")
    assert "were changed between these runs" in text and "torch 2.15.0 and 2.16.0" in text


def test_a_finished_ablation_has_no_dead_buttons_and_a_failed_one_those_that_help(store: Store) -> None:  # noqa: F811
    held = {"Pause", "Resume", "Cancel", "To the front"}
    done = labels(opened("ablations", sweep=swept(store, *["done"] * 4)))
    assert not held & done.keys() and not any(label.startswith(("Run missing", "Try again")) for label in done)
    failed = labels(opened("ablations", sweep=swept(store, "failed", axes={"pruner": ["random", "snip"]})))
    assert {"Run missing (1)": False, "Try again (1)": False}.items() <= failed.items()


def test_densities_are_chosen_and_shown_as_final_sparsity(store: Store, started: list) -> None:  # noqa: F811
    app = opened("ablations")
    app.multiselect(key="vary").set_value(["pruner", "tau"]).run()
    assert app.text_input(key="axis-tau").label == "Final sparsity, %"
    assert not any(label.startswith("Start") for label in labels(app))  # an axis without values holds back the start
    app.text_input(key="axis-tau").set_value("50, 90 %").run()
    assert not any("choose at least one" in str(item.value) for item in app.caption)
    app.text_input(key="axis-tau").set_value("50, 190").run()
    assert "190" in words(app) and not any(label.startswith("Start") for label in labels(app))
    app.text_input(key="axis-tau").set_value("50, 90 %").run()
    app.button(key="start").click().run()
    assert {round(config["tau"], 3) for config in started} == {3.106, 10.32}
    assert "Pruner × final sparsity" in words(app)
    app.selectbox(key="view").select("Table").run()
    table = next(table.value for table in app.dataframe if "± SD" in table.value)
    assert set(table["Final sparsity"]) == {"50\u00a0% (tau 3.106)", "90\u00a0% (tau 10.32)"}


def test_tau_is_called_tau_where_flops_are_counted(store: Store, started: list) -> None:  # noqa: F811
    base = {**BASE, "scope": "flops"}
    sweep_id = manager.shared().ablations.create("", base, {"tau": [2.0, 4.5]})
    for cell in ablation_grid.expand(base, {"tau": [2.0, 4.5]})["cells"]:
        store.ablations.add_runs(sweep_id, [fake_runs.write(store, **cell["config"])])
    app = opened("ablations", sweep=sweep_id, view="Table")
    table = next(table.value for table in app.dataframe if "± SD" in table.value)
    assert set(table["Tau"]) == {"2", "4.5"} and "parsity" not in " ".join(map(str, table))
    assert app.title[0].value == "Tau" and "Tau (2)" in words(app)


def test_links_to_the_view_of_before_open_its_successor(store: Store) -> None:  # noqa: F811
    app = opened("ablations", sweep=swept(store, *["done"] * 4), view="Small multiples")
    assert app.selectbox(key="view").value == "Lines"


def test_a_long_title_is_shown_whole(store: Store) -> None:  # noqa: F811
    title = "A title that says what it is about " * 5
    sweep_id = swept(store, "done", title=title.strip())
    for app in (opened("ablations", sweep=sweep_id), opened("ablations")):
        assert title.strip() in words(app)


def test_the_way_back_to_all_ablations(store: Store) -> None:  # noqa: F811
    app = opened("ablations", sweep=swept(store, "done"))
    app.button(key="all-ablations").click().run()
    assert not app.exception and app.title[0].value == "Ablations" and "sweep" not in app.query_params


def test_a_search_shows_the_combinations_that_it_drew(store: Store) -> None:  # noqa: F811
    axes = {"lr": [0.01, 0.02, 0.05], "pruner": ["snip", "magnitude"], "seed": [0, 1]}
    sweep_id = manager.shared().ablations.create("", BASE, axes, [[0, 0], [1, 1], [2, 0]])
    for cell in manager.shared().ablations.board(sweep_id)["cells"]:
        store.ablations.add_runs(sweep_id, [fake_runs.write(store, **cell["config"])])
    app = opened("ablations", sweep=sweep_id)
    assert not app.exception
    assert "3 combinations of Learning rate and Pruner × Seed (2) = 6 runs" in words(app)
    assert "6 of 6 runs done" in words(app) and app.selectbox(key="view").value == "Parallel coordinates"
    for view in ("Heatmap", "Lines", "Table"):
        app.selectbox(key="view").set_value(view).run()
        assert not app.exception
