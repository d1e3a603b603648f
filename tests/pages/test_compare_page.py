"""The Compare page with pairs, repeats over seeds, stored masks, runs that go on or failed, and with nothing. No browser."""

from __future__ import annotations

import json
from typing import Any

import fake_masks
import fake_runs
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import no_warm_up, opened, store, words

from appcore.storage.store import Store
from appcore.ui.widgets import run_picker, run_rail

__all__ = ["no_warm_up", "store"]  # fixtures


def test_compare_page_with_an_empty_store() -> None:
    assert "nothing to compare yet" in words(opened("compare"))


def test_compare_answers_who_prunes_the_early_layers_harder(store: Store) -> None:
    pair = [fake_runs.write(store, group="g", pruner=pruner) for pruner in ("snip", "magnitude")]
    app = opened("compare", runs=",".join(pair))
    text = words(app)
    assert "Magnitude prunes the early layers harder at every megabatch" in text
    assert "**Paired:**" in text
    assert not app.exception


@pytest.mark.thorough
def test_compare_without_a_choice_takes_the_newest_group_and_writes_it_into_the_address(store: Store) -> None:
    pair = [fake_runs.write(store, group="g", pruner=pruner) for pruner in ("snip", "magnitude")]
    fake_runs.write(store, title="alone")
    app = opened("compare")
    assert sorted(str(app.query_params["runs"]).split(",")) == sorted(pair)


@pytest.mark.thorough
def test_compare_of_repeats_averages_over_seeds_and_names_a_baseline(store: Store) -> None:
    runs = [fake_runs.write(store, pruner=pruner, seed=seed) for pruner in ("snip", "magnitude") for seed in range(3)]
    app = opened("compare", runs=",".join(runs))
    assert not app.exception and app.toggle(key="bands").value
    assert app.selectbox(key="baseline").value == runs[0]
    summary, each = (frame.value for frame in app.dataframe[:2])
    assert summary["Seeds done"].tolist() == ["3 of 3", "3 of 3"] and len(each) == 6
    assert summary["Test accuracy, %"].str.contains("±").all()
    app.toggle(key="bands").set_value(False).run()
    app.selectbox(key="metric").set_value("cer").run()
    assert not app.exception


@pytest.mark.thorough
def test_the_numbers_are_a_table_for_a_paper_too(store: Store) -> None:
    runs = [fake_runs.write(store, pruner=pruner, seed=seed) for pruner in ("snip", "magnitude") for seed in range(2)]
    app = opened("compare", runs=",".join(runs))
    assert not app.code  # made when it is opened
    app.session_state["paper"] = True
    app.run()
    latex, markdown = (code.value for code in app.code)
    assert "\\toprule" in latex and latex.count("2 of 2") == 2 and "over 2 seeds" in latex
    assert markdown.startswith("| Experiment | Seeds done | Test accuracy, % |")


def test_compare_of_one_seed_each_marks_no_best(store: Store) -> None:
    pair = [fake_runs.write(store, pruner=pruner) for pruner in ("snip", "magnitude")]
    app = opened("compare", runs=",".join(pair))
    assert "no number is marked as the best" in words(app)
    assert not [toggle for toggle in app.toggle if toggle.key == "bands"]


@pytest.mark.thorough
def test_compare_shows_whether_two_runs_keep_the_same_weights(store: Store) -> None:
    pair = [fake_masks.write(store, pruner=pruner, megabatches=4) for pruner in ("snip", "magnitude")]
    app = opened("compare", runs=",".join(pair), megabatch="2")
    assert "At megabatch 2, SNIP and Magnitude share" in words(app) and "of the weights that either keeps" in words(app)
    dense = fake_runs.write(store, method="dense", megabatches=4)
    assert "A dense run keeps every weight" in words(opened("compare", runs=f"{pair[0]},{dense}"))
    without = fake_runs.write(store, pruner="random", megabatches=4)
    assert "once both have stored masks" in words(opened("compare", runs=f"{pair[0]},{without}"))


def test_compare_names_runs_that_are_not_there(store: Store) -> None:
    app = opened("compare", runs=f"{fake_runs.write(store)},20990101-000000-abcd")
    assert "Not in this store: 20990101-000000-abcd" in words(app)


def test_compare_while_runs_go_on_and_with_a_failed_one(store: Store) -> None:
    one = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running"))
    two = fake_runs.write(store, until=20, status="failed", pruner="magnitude")
    three = fake_runs.write(store, method="dense")
    app = opened("compare", runs=f"{one},{two},{three}")
    assert "the disk is full" in words(app)
    app.button(key="stop").click().run()
    assert store.command(one) == "stop"


HERE = {"torch": "2.15.0", "cpu": "AVX2", "threads": 2}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({"versions": HERE}, ["**Paired:**", "same images and labels", "same software and machine"], ["Not paired", "Software or machine"]),
        (
            {"versions": {**HERE, "cpu": "AVX512"}},
            ["Paired but for software or machine", "cpu AVX2 and AVX512"],
            ["**Paired:**", "Not paired"],
        ),
        ({"versions": HERE, "data": "other"}, ["**Not paired:**", "different images and labels"], ["**Paired"]),
        ({"versions": HERE, "data": None}, ["**Paired:**", "kept no hash of the data"], ["Not paired"]),
        ({"versions": None}, ["**Paired:**", "not known yet: software and machine"], ["Software or machine"]),
    ],
)
def test_compare_looks_at_the_data_and_at_what_the_runs_were_computed_with(
    changes: dict, said: list[str], unsaid: list[str], store: Store
) -> None:
    pair = [fake_runs.write(store, group="g", pruner=pruner) for pruner in ("snip", "magnitude")]
    hashes = {**store.get(pair[1])["hashes"], **{name: value for name, value in changes.items() if name == "data"}}
    store.update(pair[0], versions=HERE)
    store.update(pair[1], hashes={name: value for name, value in hashes.items() if value}, versions=changes["versions"])
    text = words(opened("compare", runs=",".join(pair))).replace("\\", "")
    assert all(part in text for part in said) and not any(part in text for part in unsaid), text


@pytest.mark.thorough
@pytest.mark.parametrize("pruner", ["force", "iterative-snip"])
def test_compare_offers_no_overlap_of_masks_that_hinge_on_rounding_and_says_why(store: Store, pruner: str) -> None:
    pair = [fake_masks.write(store, pruner=chosen, megabatches=4) for chosen in (pruner, "magnitude")]
    text = words(opened("compare", runs=",".join(pair)))
    assert "hinges on rounding" in text and "of the weights that either keeps" not in text
    once = fake_masks.write(store, pruner=pruner, megabatches=4, options={"rounds": 1})
    text = words(opened("compare", runs=f"{once},{pair[1]}"))
    assert "hinges on rounding" not in text and "of the weights that either keeps" in text


@pytest.fixture
def rails(monkeypatch: pytest.MonkeyPatch) -> list[list[dict]]:
    """The rows of each rail that was drawn; AppTest draws no components."""
    drawn: list[list[dict]] = []
    draw = run_rail._component

    def kept(**what: Any) -> Any:
        drawn.append(what["data"]["runs"])
        return draw(**what)

    monkeypatch.setattr(run_rail, "_component", kept)
    return drawn


@pytest.mark.thorough
def test_the_rail_has_every_run_in_order_with_its_accuracy(store: Store, rails: list) -> None:
    done = [fake_runs.write(store, pruner=pruner) for pruner in ("snip", "magnitude")]
    going = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running", pruner="random"))
    app = opened("compare", runs=",".join([*done, going]), hide=done[1])
    rows = rails[-1]
    assert [row["id"] for row in rows] == [*done, going] and [row["hidden"] for row in rows] == [False, True, False]
    assert rows[0]["value"] == "96.7\u00a0%" and rows[0]["share"] is None and rows[0]["state"] == "Done"
    assert rows[2]["share"] > 0 and rows[2]["state"].startswith("Running · ") and rows[2]["state"].endswith(" left")
    assert len({row["colour"] for row in rows}) == 3
    assert "Magnitude" not in words(app).split("Numbers")[0]  # hidden runs are in no sentence


def test_compare_of_different_networks_sets_only_equal_ones_side_by_side(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = fake_runs.write(store)
    monkeypatch.setattr(fake_runs, "LAYERS", fake_runs.LAYERS[:3])
    other = fake_runs.write(store, arch="lenet5")
    text = words(opened("compare", runs=f"{one},{other}"))
    assert "are different networks" in text and "Their early layers are not compared" in text
    assert "Of another network or other data" in text


@pytest.mark.thorough
def test_repeats_are_paired_seed_by_seed_and_named_without_a_seed(store: Store) -> None:
    runs = [fake_runs.write(store, pruner=pruner, seed=seed) for pruner in ("snip", "magnitude") for seed in range(3)]
    app = opened("compare", runs=",".join(runs))
    assert "**Paired:** 3 of 3 pairs agree" in words(app)
    assert "(3 seeds, 95" in words(app) and "better" in words(app)
    assert app.dataframe[0].value["Experiment"].tolist() == ["SNIP", "Magnitude"]


@pytest.mark.thorough
def test_finished_runs_open_at_their_last_megabatch_and_a_link_at_its_own(store: Store) -> None:
    pair = [fake_runs.write(store, pruner=pruner) for pruner in ("snip", "magnitude")]
    for query, at in (({}, 8), ({"megabatch": "3"}, 3)):
        figure = opened("compare", runs=",".join(pair), **query).session_state["_figures"]["mirrored"][1]
        assert f"at megabatch {at}?" in figure


@pytest.mark.thorough
def test_without_a_choice_at_most_six_runs_of_the_newest_group_are_picked_in_its_order(store: Store) -> None:
    group = [fake_runs.write(store, group="g", pruner="snip", seed=seed) for seed in range(8)]
    fake_runs.write(store, title="alone")
    assert str(opened("compare").query_params["runs"]).split(",") == group[: run_picker.USUAL]


def test_parameters_of_plug_ins_are_settings_with_names_of_their_own(store: Store) -> None:
    runs = [fake_runs.write(store, pruner="snip", options={"batches": value}) for value in ("one", "all")]
    app: AppTest = opened("compare", runs=",".join(runs))
    table = app.table[0].value
    assert table.index.tolist() == ["Scoring images"] and table.iloc[0].tolist() == ["one batch", "all"]
    assert "{" not in words(app)


@pytest.mark.thorough
@pytest.mark.parametrize("bands", ["true", "false"])
def test_curves_have_the_axes_and_the_smoothing_of_the_run_page(store: Store, bands: str) -> None:
    runs = [fake_runs.write(store, pruner=pruner, seed=seed, megabatches=3) for pruner in ("snip", "magnitude") for seed in range(2)]
    app = opened("compare", runs=",".join(runs), x="time", smooth="0.5", log="true", bands=bands)
    assert (app.selectbox(key="x").value, app.slider(key="smooth").value, app.toggle(key="log").value) == ("time", 0.5, True)
    figure = json.loads(app.session_state["_figures"]["compare-loss"][1])
    assert figure["layout"]["xaxis"]["title"]["text"] == "time spent, s" and figure["layout"]["yaxis"]["type"] == "log"
    names = {trace.get("name") for trace in figure["data"]}
    assert ("SNIP, mean of 2 seeds" in names) == (bands == "true") and ("SNIP · seed 1" in names) == (bands == "false")
