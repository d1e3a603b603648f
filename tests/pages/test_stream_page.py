"""The Stream page: what the plan says is what the stream does, figures tested by eye, and the page in each state of the store."""

from __future__ import annotations

import fake_runs
import numpy as np
import pandas as pd
import pytest
from test_pages import no_warm_up, opened, store, words

from appcore.charts import cost_and_benefit
from appcore.charts import stream_timeline as timeline_charts
from appcore.config import build
from appcore.datasets.base import Description
from appcore.planning import plan, stream_sizes, stream_timeline
from appcore.service import manager
from appcore.storage.store import Store
from appcore.ui.stream import results

__all__ = ["no_warm_up", "store"]  # fixtures
DATA = Description(80, 20, (1, 8, 8), tuple("ab"))
COST = {"samples": 1000, "training_flops": 1e9, "seconds": 20.0, "memory_bytes": 1e8}


@pytest.fixture(autouse=True)
def quick_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager.Manager, "estimate", lambda self, config: COST)


def config(**settings):
    return build({"megabatches": 4, "epochs": 3, "val_fraction": 0.25, **settings})


def test_who_sees_what_under_each_rule() -> None:
    full, none, one = (stream_timeline.timeline(config(replay=rule), DATA) for rule in ("full", "none", "one"))
    assert full.parts == [(15, 5)] * 4
    assert full.train.tolist() == [[15] * 4, [0, 15, 15, 15], [0, 0, 15, 15], [0, 0, 0, 15]]
    assert full.val[:, 3].tolist() == [5] * 4
    assert none.train.tolist() == np.diag([15] * 4).tolist()
    assert one.train[:, 3].tolist() == [0, 0, 15, 15]
    fading = stream_timeline.timeline(config(replay="fraction", replay_fraction=0.5), DATA)
    assert fading.train[:, 3].tolist() == [2, 4, 8, 15]
    held = stream_timeline.timeline(config(replay="buffer", buffer_size=20), DATA)
    assert held.train[:, 3].tolist() == [5, 5, 5, 15]  # 15 of the buffer are training images, shared by three parts


@pytest.mark.parametrize("rule", stream_timeline.RULES)
@pytest.mark.parametrize("budget", [0, 60])
def test_the_counts_are_those_of_the_plan(rule: str, budget: int) -> None:
    settings = config(replay=rule, budget=budget, buffer_size=13)
    shown = stream_timeline.timeline(settings, DATA)
    assert [round(images) for images in shown.train.sum(axis=0)] == stream_sizes.samples(settings, DATA)
    found = stream_timeline.by_megabatch(settings, DATA)
    assert found["samples"].sum() == plan.total_samples(settings, DATA)
    assert (found["new"] + found["replayed"]).equals(found["samples"])


@pytest.mark.parametrize("rule", stream_timeline.RULES)
def test_the_stream_shows_what_the_timeline_says(rule: str) -> None:
    torch_stream = pytest.importorskip("appcore.engine.stream")
    settings = build({"megabatches": 5, "replay": rule, "buffer_size": 300, "limit_train": 700, "limit_test": 10})
    data = torch_stream.load_data(settings, torch_stream.pick_device("cpu"))
    real, shown = torch_stream.Stream(settings, data), stream_timeline.timeline(settings, plan.check(settings))
    for side, parts, seen in ((shown.train, real.train, real.train_indices), (shown.val, real.val, real.val_indices)):
        for t in range(5):
            chosen = set(seen(t).tolist())
            counts = [len(chosen & set(part.tolist())) for part in parts]
            assert sum(counts) == round(side[:, t].sum())
            assert counts == pytest.approx(side[:, t], abs=25 if rule == "buffer" else 0)


def test_full_replay_costs_half_of_t_plus_one_times_none() -> None:
    totals = stream_timeline.rules(config(), DATA).groupby("replay")["samples"].sum()
    assert totals["full"] / totals["none"] == stream_timeline.law(4) == 2.5


def figures() -> dict:
    shown, rules = stream_timeline.timeline(config(), DATA), stream_timeline.rules(config(), DATA)
    names = dict.fromkeys(stream_timeline.RULES, "rule")
    runs = [{"run_id": "a", "method": "app", "pruner": "snip", "config": {"megabatches": 3}}]
    ends = pd.DataFrame({"run_id": "a", "megabatch": [0, 1, 2], "test_errors": [9, 6, 7], "test_images": 10, "cer": [9, 15, 22]})
    return {
        "timeline": timeline_charts.timeline(shown.train, shown.val, shown.parts, revision="r"),
        "growth": timeline_charts.growth(rules, "one", names, revision="r"),
        "rules": timeline_charts.rule_costs(rules, "full", names, revision="r"),
        "errors": cost_and_benefit.error_area(runs, ends, revision="r"),
        "relative": cost_and_benefit.relative_errors(runs, results.relative(ends), revision="r"),
        "pareto": cost_and_benefit.pareto(POINTS, "dense", ["a"], revision="r"),
    }


POINTS = pd.DataFrame(
    {"run_id": list("abc"), "title": "<b>x", "method": ["app", "app", "dense"], "pruner": "snip", "replay": "full", "sparsity": 0.5}
).assign(compute=[1.0, 2.0, 3.0], accuracy=[0.8, 0.7, 0.9], is_front=[True, False, True])


@pytest.mark.parametrize("name", ["timeline", "growth", "rules", "errors", "relative", "pareto"])
def test_every_figure_asks_a_question_and_names_its_axes(name: str) -> None:
    figure = figures()[name]
    assert figure.layout.title.text.endswith("?")
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
    assert figure.layout.uirevision == "r"


def test_the_timeline_has_a_byte_for_each_cell_and_a_letter_on_it() -> None:
    figure = figures()["timeline"]
    codes = figure.data[0].z
    assert codes[0].tolist() == [160, 240, 0, 80, 240, 0, 80, 240, 0, 80, 240, 0]  # new and held out, then seen again
    assert codes[3].tolist() == [0] * 9 + [160, 240, 0]
    assert list(figure.data[4].text[:4]) == ["N 15", "V", "R 15", "V"]
    long = stream_timeline.timeline(config(megabatches=40), DATA)
    assert figure.data[0].colorscale[0][1] == "rgba(0,0,0,0)"
    assert len(timeline_charts.timeline(long.train, long.val, long.parts).to_json()) < 60_000


def test_a_stream_of_a_hundred_stays_small() -> None:
    found = stream_timeline.timeline(build({"megabatches": 1000, "val_fraction": 0.5}), Description(5000, 20, (1, 8, 8), tuple("ab")))
    figure = timeline_charts.timeline(found.train, found.val, found.parts)
    assert figure.data[0].z.shape == (100, 300)
    assert "every 10-th" in figure.layout.title.subtitle.text
    assert len(figure.to_json()) < 200_000


def test_anytime_relative_error_and_the_area() -> None:
    changes = figures()["relative"].data[0]
    assert list(changes.x) == [2, 3] and list(changes.y) == pytest.approx([-30, 10])
    assert figures()["errors"].data[0].name.endswith("CER 22")


def test_the_front_is_what_no_other_beats() -> None:
    cost, gain = np.array([1, 2, 2, 3, 3]), np.array([0.5, 0.4, 0.7, 0.7, 0.7])
    assert cost_and_benefit.front(cost, gain).tolist() == [True, False, True, False, False]
    assert cost_and_benefit.front(np.array([1, 1]), np.array([0.5, 0.5])).tolist() == [True, True]
    draw = np.random.default_rng(0)
    cost, gain = draw.integers(1, 9, 60).astype(float), draw.integers(1, 9, 60) / 10
    beaten = [any(c <= a and g >= b and (c < a or g > b) for c, g in zip(cost, gain)) for a, b in zip(cost, gain)]
    assert cost_and_benefit.front(cost, gain).tolist() == [not one for one in beaten]
    assert list(figures()["pareto"].data[0].x) == [1.0, 3.0]
    assert "<b>x" not in figures()["pareto"].to_json()


def test_an_empty_store_can_plan() -> None:
    app = opened("stream")
    assert "= **3.5 times** none" in words(app)
    assert "without replay" in words(app)
    assert "There are no runs yet" in words(opened("stream", view="runs"))


def test_every_setting_is_read_from_the_address_and_changes_what_is_shown() -> None:
    app = opened("stream", megabatches="4", replay="one", epochs="5")
    assert app.number_input(key="stream_megabatches").value == 4
    before = {metric.label: metric.value for metric in app.metric}
    app.selectbox(key="stream_replay").select("fraction").run()
    assert app.query_params["replay"] in ("fraction", ["fraction"])
    app.number_input(key="stream_replay_fraction").set_value(0.25).run()
    after = {metric.label: metric.value for metric in app.metric}
    assert after["Training images"] != before["Training images"]
    assert not app.exception
    app.selectbox(key="stream_replay").select("buffer").run()
    app.number_input(key="stream_buffer_size").set_value(100).run()
    app.number_input(key="stream_budget").set_value(1000).run()
    assert "budget cuts every megabatch" in words(app)


def test_nonsense_in_the_address_and_impossible_settings_are_told() -> None:
    assert "cannot be 'zebra'" in words(opened("stream", replay="zebra"))
    assert "cannot be 'many'" in words(opened("stream", megabatches="many"))
    app = opened("stream", megabatches="1000")
    assert "appears when all settings are possible" in words(app)


def test_settings_of_a_run_and_back_to_the_form(store: Store) -> None:
    run_id = fake_runs.write(store, megabatches=5, replay="none", epochs=2)
    app = opened("stream", **{"from": run_id})
    assert app.number_input(key="stream_megabatches").value == 5
    assert "Without replay the stream costs" in words(app)
    assert "Not in this store" in words(opened("stream", **{"from": "20990101-000000-abcd"}))


def test_finished_running_and_failed_runs(store: Store) -> None:
    done = fake_runs.write(store, group="g")
    busy = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running", group="g", pruner="magnitude"))
    failed = fake_runs.write(store, until=40, status="failed", title="Broken")
    app = opened("stream", view="runs", runs=f"{done},{busy},{failed}")
    text = words(app)
    assert "the disk is full" in text and "What it measured until then is shown" in text
    assert "both the cheapest" in text
    app.segmented_control(key="stream_compute").set_value("seconds").run()
    assert not app.exception
    queued = fake_runs.keep_alive(store, fake_runs.write(store, until=0, status="queued"))
    assert "No megabatch is finished yet" in words(opened("stream", view="runs", runs=queued))


def test_runs_that_counted_training_alone_are_left_out_and_counted(store: Store) -> None:
    """Runs of versions that did not count scoring and evaluation would seem cheaper than they were."""
    new, old = fake_runs.write(store), fake_runs.write(store, pruner="magnitude")
    totals = store.get(old)["totals"]
    store.update(old, totals={name: value for name, value in totals.items() if not name.startswith("total_")})
    app = opened("stream", view="runs", runs=f"{new},{old}")
    assert "Left out, since they counted training alone: 1 of earlier versions" in words(app)
    app.segmented_control(key="stream_compute").set_value("seconds").run()
    assert "Left out" not in words(app)
    points = cost_and_benefit.worth(store.runs(), store.megabatches([new, old], newest=True), "dense")
    assert points["run_id"].tolist() == [new] and points["compute"].tolist() == [pytest.approx(2.31)]
