"""The What if page: its figures and each of its states, with sketches from nowhere in place of the scoring thread. No browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import fake_runs
import numpy as np
import pytest
import torch
from sketches import FOUR, random_scores, sketched
from test_pages import no_warm_up, opened, store, words

from appcore.analysis import what_if
from appcore.charts import what_if as what_if_charts
from appcore.planning import address
from appcore.service import manager
from appcore.storage.store import Store
from appcore.ui.what_if import choose, train

__all__ = ["no_warm_up", "store"]  # fixtures
EMPTY = sketched({"a": torch.tensor([4.0, 3.0]), "b": torch.tensor([1.0, 1.0])})


def sketch() -> dict:
    return {**sketched(random_scores((900, 4000, 333))), "density": 1.0, "megabatch": 0, "cursor": 0}


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict]:
    """What the manager says about each criterion; ready unless a test says otherwise. Questions are kept under `asked`."""
    found: dict[str, Any] = {"asked": []}

    def scores(self: Any, config: dict | None, run_id: str | None, criterion: str, granularity: str) -> dict:
        found["asked"].append((config, run_id, criterion))
        found["granularity"] = granularity
        return found.get(criterion, {"state": "ready", "sketch": sketch(), "key": criterion})

    monkeypatch.setattr(manager.Manager, "scores", scores)
    return found


def test_figures_ask_and_name_their_axes() -> None:
    found = what_if.answer(FOUR, 0.5)
    figures = [
        what_if_charts.kept({"snip": found}),
        what_if_charts.kept({"snip": found}, logarithmic=True),
        what_if_charts.score_histogram(what_if.histogram(FOUR, found), found.threshold, "snip"),
        what_if_charts.first_to_die({"snip": what_if.deaths(FOUR)}, {"snip": 0.5}),
    ]
    for figure in figures:
        assert figure.layout.title.text.endswith("?")
        assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
        assert len(figure.to_json()) < 30_000


def test_what_is_left_is_in_percent_and_empty_layers_are_crossed() -> None:
    marks = what_if_charts.kept({"snip": what_if.answer(EMPTY, 0.5)}).data[0]
    assert list(marks.x) == [100, 0]
    assert list(marks.marker.symbol) == ["circle", "x-thin"]
    marks = what_if_charts.kept({"snip": what_if.answer(EMPTY, 0.5)}, logarithmic=True).data[0]
    assert marks.x[1] > 0  # on the edge


def test_the_threshold_lies_between_what_is_kept_and_what_is_not() -> None:
    found = what_if.answer(FOUR, 0.5)
    bins = what_if.histogram(FOUR, found)
    figure = what_if_charts.score_histogram(bins, found.threshold, "snip")
    at = figure.layout.shapes[0].x0
    pruned, kept = figure.data
    assert np.asarray(kept.x)[np.asarray(kept.y) > 0].min() + 0.5 >= at
    assert np.asarray(pruned.x)[np.asarray(pruned.y) > 0].max() - 0.5 <= at
    assert what_if_charts.score_histogram(bins, None, "snip").layout.shapes == ()


def test_layers_right_of_the_line_are_dead() -> None:
    marks = what_if_charts.first_to_die({"snip": what_if.deaths(FOUR)}, {"snip": 0.5}).data[0]
    assert dict(zip(marks.text, marks.marker.symbol)) == {"b": "x-thin", "a": "circle"}
    assert dict(zip(marks.text, marks.y)) == {"a": 0, "b": 1}


def test_an_axis_over_eight_powers_of_ten_has_ticks_that_a_phone_has_room_for() -> None:
    fall = what_if.deaths(FOUR)
    ticks = what_if_charts.first_to_die({"snip": fall.assign(density=fall["density"] * 1e-7)}, {"snip": 0.5}).layout.xaxis.tickvals
    assert len(ticks) <= 6 and ticks[-1] == 100 and ticks[0] < 1e-4
    assert what_if_charts.first_to_die({"snip": fall}, {"snip": 0.5}).layout.xaxis.tickvals == (10, 100)


def test_scores_of_a_fresh_network_answer_a_drag(replies: dict) -> None:
    app = opened("what_if")
    assert {(str(config), run_id, name) for config, run_id, name in replies["asked"]} == {
        ("{'arch': 'resnet20', 'dataset': 'digits', 'seed': 0}", None, name) for name in ("snip", "magnitude")
    }
    assert "1,917 of 5,233 prunable weights would be kept: 63.4\u00a0% sparsity" in words(app)
    app.select_slider(key="sparsity").set_value(99.9).run()
    assert "5 of 5,233 prunable weights" in words(app)
    assert app.query_params["sparsity"] == "99.9"
    assert "would leave nothing of l" in words(app)
    app.selectbox(key="scope").select("layer").run()
    app.multiselect(key="exempt").select("l1").run()
    assert "of 1,233 prunable weights" in words(app)
    assert not app.exception


def test_a_link_of_before_that_names_what_is_kept_still_leads_there(replies: dict) -> None:
    assert "3 of 5,233 prunable weights" in words(opened("what_if", density="0.05%"))
    assert "523 of 5,233 prunable weights" in words(opened("what_if", sparsity="90"))
    assert "1,917 of 5,233 prunable weights" in words(opened("what_if", sparsity="lots"))


def test_a_cut_is_tested_when_asked_for_and_only_while_it_is_the_one_on_screen(replies: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {"state": "scoring", "seconds": 1.0, "share": 0.4, "key": "k"}
    asked = []

    def cut_accuracy(self: Any, *question: Any) -> dict:
        asked.append(question)
        return state

    monkeypatch.setattr(manager.Manager, "cut_accuracy", cut_accuracy)
    app = opened("what_if", criteria="SNIP", sparsity="90")
    assert not asked
    app.button(key="test_cut").click().run()
    assert asked[-1] == ({"arch": "resnet20", "dataset": "digits", "seed": 0}, None, "snip", 0.1, "global", [], "weight")
    assert "Testing the cut by SNIP" in words(app)
    state = {"state": "ready", "answer": {"before": 0.95, "after": 0.5, "images": 360}, "key": "k"}
    app.run()
    assert "SNIP: 50.0\u00a0% of 360 test images are right" in words(app) and "(-45.0 points)" in words(app)
    app.select_slider(key="sparsity").set_value(95.0).run()
    assert "test images are right" not in words(app)


def test_a_cut_on_screen_leads_to_the_form_that_trains_it(replies: dict) -> None:
    app = opened("what_if", criteria="SNIP", sparsity="90", arch="mlp")
    assert "cut once, to 90\u00a0% sparsity, before it trains: 1 megabatch" in words(app)
    (link,) = [one.proto for one in app.get("page_link") if one.proto.label.startswith("Start a run from this")]
    _, settings, bad = address.read(dict(parse_qsl(link.query_string)))
    found = address.effective(settings)
    assert not bad
    assert (found["arch"], found["method"], found["pruner"], found["megabatches"]) == ("mlp", "osp", "snip", 1)
    assert 0.8 ** found["tau"] == pytest.approx(0.1, rel=1e-3)


def test_the_cut_replaces_how_a_run_was_pruned_and_keeps_its_network_and_training() -> None:
    given = {"arch": "lenet5", "epochs": 7, "method": "imp", "pruner": "magnitude", "options": {"rate": 0.5}, "exempt": ["fc2"]}
    found = train.settings(given, "synflow", 0.5, "layer", ["conv1.weight"])
    assert found == {
        "arch": "lenet5",
        "epochs": 7,
        "method": "osp",
        "pruner": "synflow",
        "tau": 3.106,
        "scope": "layer",
        "exempt": ["conv1"],
    }


def test_sensitivity_is_drawn_layer_by_layer() -> None:
    found = {
        "layers": ["a.weight", "b.weight"],
        "sparsities": [0.5, 0.9],
        "accuracies": [[0.9, 0.2], [0.9, 0.8]],
        "before": 0.9,
        "images": 500,
    }
    figure = what_if_charts.sensitivity(found, "snip")
    assert figure.data[0].z.tolist() == pytest.approx(np.array([[90, 20], [90, 80]]))
    assert list(figure.data[0].x) == ["50", "90"] and list(figure.layout.yaxis.ticktext) == ["a", "b"]


@pytest.mark.parametrize("name", ["filter", "filters"])
def test_groups_are_ranked_when_asked_for_and_the_run_that_is_started_has_them(replies: dict, name: str) -> None:
    app = opened("what_if", granularity=name)
    assert replies["granularity"] == "filter" and app.selectbox(key="granularity").value == "filter"
    assert "Filters are ranked by the sum of their weights' scores" in words(app)
    (link,) = {one.proto.query_string for one in app.get("page_link") if "Start a run from this: SNIP" in one.proto.label}
    assert "granularity=filter" in link
    app.selectbox(key="granularity").select("weight").run()
    assert replies["granularity"] == "weight" and "Single weights are ranked." in words(app)


def test_a_run_whose_filters_were_pruned_opens_with_filters(replies: dict, store: Store) -> None:
    app = opened("what_if", run=fake_runs.write(store, granularity="8x2"))
    assert replies["granularity"] == app.selectbox(key="granularity").value == "8x2"
    assert "Blocks of 8x2 are ranked" in words(app)


def test_a_share_of_the_flops_is_asked_for_by_the_same_slider(replies: dict) -> None:
    app = opened("what_if", scope=choose.SCOPES["flops"], sparsity="60")
    assert app.selectbox(key="scope").value == "flops" and app.select_slider(key="sparsity").label.startswith("FLOPs removed")
    assert "At most 40.0\u00a0% of the FLOPs would be left" in words(app) and "of 5,233 prunable weights" in words(app)
    (link, *_) = [one.proto for one in app.get("page_link") if one.proto.label.startswith("Start a run from this")]
    found = address.effective(address.read(dict(parse_qsl(link.query_string)))[1])
    assert found["scope"] == "flops" and 0.8 ** found["tau"] == pytest.approx(0.4, rel=1e-3)
    app.multiselect(key="exempt").set_value(["l0", "l1"]).run()
    assert "40 % of the FLOPs cannot be reached" in words(app) and not app.exception


@pytest.mark.parametrize(("words", "scope"), [("Each layer alike", "layer"), ("layer", "layer"), ("flops", "flops")])
def test_links_that_name_a_scope_as_it_was_called_before_or_is_in_settings_lead_there(replies: dict, words: str, scope: str) -> None:
    app = opened("what_if", scope=words, sparsity="90")
    assert app.selectbox(key="scope").value == scope and not app.exception


def test_densities_of_layers_are_typed_and_kept_in_the_address(replies: dict) -> None:
    app = opened("what_if", scope=choose.SCOPES["densities"], densities="l0=0.5, l2=0.1")
    assert app.text_input(key="densities").value == "l0=0.5, l2=0.1" and not app.select_slider
    assert "4,483 of 5,233 prunable weights would be kept" in words(app)
    (link, *_) = [one.proto for one in app.get("page_link") if one.proto.label.startswith("Start a run from this")]
    settings = address.read(dict(parse_qsl(link.query_string)))[1]
    assert list(settings["densities"]) == ["l0=0.5", "l2=0.1"]
    app.text_input(key="densities").set_value("l9=0.5").run()
    assert "'l9' is no layer that is pruned here" in words(app) and not app.exception
    app.text_input(key="densities").set_value("l0=2").run()
    assert "no share of weights kept" in words(app) and not app.exception


def test_a_run_with_densities_opens_with_them(replies: dict, store: Store) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running", densities=["l0=0.5"]))
    app = opened("what_if", run=run_id)
    assert app.selectbox(key="scope").value == "densities" and app.text_input(key="densities").value == "l0=0.5"


def test_every_layer_exempt_is_told(replies: dict) -> None:
    app = opened("what_if")
    app.multiselect(key="exempt").set_value(["l0", "l1", "l2"]).run()
    assert "nothing would be pruned" in words(app)


def test_waiting_scoring_and_failed_scores_say_so(replies: dict) -> None:
    replies["snip"] = {"state": "scoring", "seconds": 12.0, "key": "k"}
    replies["magnitude"] = {"state": "waiting", "ahead": 0, "key": "k2"}
    text = words(opened("what_if"))
    assert "SNIP, 12 s so far" in text and "one criterion after the other" in text
    replies["snip"] = {"state": "failed", "error": "cifar10 is not here; download it", "key": "k"}
    del replies["magnitude"]
    app = opened("what_if")
    assert "cifar10 is not here" in app.error[0].value
    assert app.button(key="again-snip").label == "Try again"
    assert "prunable weights would be kept" in words(app)  # the other one is shown all the same


def test_no_criterion_is_told(replies: dict) -> None:
    app = opened("what_if")
    app.multiselect(key="criteria").set_value([]).run()
    assert "Choose a criterion" in words(app)


def test_iterative_criteria_are_told_apart(replies: dict) -> None:
    app = opened("what_if")
    app.multiselect(key="criteria").set_value(["synflow", "snip"]).run()
    assert "SynFlow scores again and again while cutting in a run; here once" in words(app)
    assert "hinges on rounding" not in words(app)


def test_a_run_is_scored_as_it_is_or_as_it_was(replies: dict, store: Store) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running"))
    app = opened("what_if", run=run_id)
    assert replies["asked"][-1][:2] == (None, run_id)
    app.segmented_control(key="when").set_value("start").run()
    assert replies["asked"][-1][1] is None
    assert "at its initial values" in words(app)


@pytest.mark.parametrize("status", ["queued", "failed", "done"])
def test_a_run_without_a_checkpoint_here_is_told(store: Store, status: str) -> None:
    run_id = fake_runs.write(store, until=0 if status != "done" else None, status=status)
    app = opened("what_if", run=run_id)
    assert ("came without weights" if status == "done" else "no checkpoint here yet") in app.error[0].value


def test_a_missing_run_is_told(replies: dict) -> None:
    assert "Not in this store: 20990101-000000-abcd" in words(opened("what_if", run="20990101-000000-abcd"))
