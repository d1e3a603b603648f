"""Figures: every number in a trace is the number in the table; titles ask, axes have units; nothing here needs streamlit or torch."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from appcore import charts, plugin_styles
from appcore.analysis import repeats
from appcore.charts import comparison_words, curves, style
from appcore.config import RunConfig
from appcore.planning.plan import plan

SNIP = {
    "run_id": "r1",
    "method": "app",
    "pruner": "snip",
    "config": {"megabatches": 2, "epochs": 2, "seed": 0},
    "hashes": {"init": "a", "order": "b"},
}
MAGNITUDE = {**SNIP, "run_id": "r2", "pruner": "magnitude"}


def epochs(run_id: str = "r1") -> pd.DataFrame:
    columns = ["megabatch", "epoch", "train_accuracy", "val_accuracy", "train_loss", "val_loss"]
    rows = [(0, 0, 0.5, 0.4, 1.5, 1.6), (0, 1, 0.8, 0.7, 0.8, 0.9), (1, 0, 0.9, 0.8, 0.4, 0.5)]
    more = {"density": [0.8, 0.8, 0.64], "learning_rate": [0.1, 0.01, 0.1], "is_best": [True, False, True]}
    return pd.DataFrame(rows, columns=columns).assign(run_id=run_id, samples_seen=[90, 180, 360], seconds=[2.0, 1.0, 4.0], **more)


def ends(run_id: str = "r1") -> pd.DataFrame:
    row = {
        "run_id": run_id,
        "megabatch": 0,
        "test_accuracy": 0.75,
        "val_accuracy": 0.7,
        "test_loss": 0.9,
        "generalization_gap": 0.1,
        "clean_gap": 0.2,
        "test_errors": 45,
        "cer": 45,
    }
    return pd.DataFrame([{**row, "density_mask": 0.8, "density_alive": 0.79}])


def layers(run_id: str = "r1", kept: tuple[int, int, int] = (8, 30, 40)) -> pd.DataFrame:
    names, totals = ("conv1.weight", "layer1.0.conv1.weight", "fc.weight"), (10, 50, 100)
    rows = [
        {"run_id": run_id, "segment": 0, "seq": i, "megabatch": 0, "layer": name, "kept": k, "alive": k - 1, "total": total}
        for i, (name, k, total) in enumerate(zip(names, kept, totals))
    ]
    return pd.DataFrame(rows)


def trace(figure: go.Figure, name: str) -> Any:
    return next(item for item in figure.data if item.name == name)


@cache  # drawn once, and not once for each of them
def every_figure() -> dict[str, go.Figure]:
    two, one = [SNIP, MAGNITUDE], [SNIP]
    groups = repeats.grouped([{**run, "config": {**run["config"], "pruner": run["pruner"]}} for run in two])
    both = (pd.concat([epochs(), epochs("r2")]), pd.concat([ends(), ends("r2")]))
    plan = pd.DataFrame({"megabatch": [0, 1], "round": 0, "density": [0.8, 0.4], "prunes": [True, True]})
    point = {"density_requested": 0.5, "density_mask": 0.5, "density_effective": 0.5, "density_alive": 0.4}
    both_layers = pd.concat([layers(), layers("r2", (5, 30, 60))])
    return {
        **{f"{n} of one": getattr(charts, n)(one, epochs(), ends()) for n in ("accuracy", "loss", "gap", "errors")},
        **{f"{n} of two": getattr(charts, n)(two, *both) for n in ("accuracy", "loss", "gap", "errors")},
        "staircase": charts.staircase(plan),
        "profile": charts.profile({"train": 3.0, "score": 1.0, "mine": 0.5}),
        "meter": charts.truth_meter(point, 100),
        "map": charts.sparsity_map(layers(), SNIP),
        "kept": charts.kept_by_layer(both_layers, two, 0),
        "mirrored": charts.mirrored(both_layers, SNIP, MAGNITUDE, 0),
        "same weights": charts.same_weights([0, 1], [0.6, 0.5], [0.4, 0.3], ("SNIP", "Magnitude"), ("megabatch", ["1", "2"])),
        **{f"band of {name}": charts.bands(name, groups, *both) for name in charts.BANDS},
        **{f"difference of {name}": charts.differences(name, groups, groups[0], both[1]) for name in charts.DIFFERENCES},
        "difference": charts.difference_map(both_layers, SNIP, MAGNITUDE, 0),
        "early": charts.early_layers(charts.early_shares(both_layers, two), two, ["conv1.weight"]),
    }


@pytest.mark.thorough
@pytest.mark.parametrize("name", list(every_figure()))
def test_every_figure_asks_a_question_names_its_axes_and_keeps_zoom(name: str) -> None:
    figure = every_figure()[name]
    assert figure.layout.title.text.endswith("?")
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text or name in ("meter", "profile")
    assert figure.layout.uirevision
    assert len(figure.to_json()) < 20_000


def test_accuracy_shows_the_numbers_of_the_table_in_percent() -> None:
    figure = charts.accuracy([SNIP], epochs(), ends())
    assert trace(figure, "train").y == pytest.approx([50, 80, 90])
    assert trace(figure, "validation").y == pytest.approx([40, 70, 80])
    assert list(trace(figure, "validation").x) == [1, 2, 3]  # at the end of each epoch
    assert (list(trace(figure, "test").x), trace(figure, "test").y) == ([2], pytest.approx([75]))
    assert tuple(figure.layout.xaxis.range) == (0, 4)  # the whole plan, so that the axis does not move while it fills


@pytest.mark.parametrize(
    ("x", "places", "end"),
    [
        ("epochs", [1, 2, 3], 2),
        ("images", [90, 180, 360], 180),
        ("time", [2, 3, 7], 3),
        ("steps", [9, 18, 36], 18),
        ("FLOPs", [90, 180, 360], 180),
    ],
)
def test_curves_run_over_what_is_asked_for(x: str, places: list[float], end: float) -> None:
    run = {**SNIP, "config": {**SNIP["config"], "batch_size": 10}, "started": {"training_flops": 1e12}}
    figure = charts.accuracy([run], epochs(), ends(), view=charts.View(x=x))
    assert trace(figure, "validation").x == pytest.approx(places)
    assert trace(figure, "test").x == pytest.approx([end])
    assert figure.layout.xaxis.title.text == charts.AXES[x][0]
    assert figure.layout.uirevision != charts.accuracy([run], epochs(), ends()).layout.uirevision  # a zoom belongs to its axis


def test_smoothing_keeps_what_was_measured_in_sight() -> None:
    figure = charts.loss([SNIP], epochs(), ends(), view=charts.View(smoothing=0.5, logarithmic=True))
    assert trace(figure, "validation, measured").y == pytest.approx([1.6, 0.9, 0.5])
    assert trace(figure, "validation").y == pytest.approx([1.6, (0.5 * 1.6 + 0.9) / 1.5, (0.25 * 1.6 + 0.5 * 0.9 + 0.5) / 1.75])
    assert figure.layout.yaxis.type == "log"
    low, high = 10 ** np.array(figure.layout.yaxis.range)
    assert low < 0.4 and high > 1.6


def test_a_chosen_moment_is_a_band_on_every_axis() -> None:
    for x, band in (("megabatches", (2, 4)), ("images", (180, 360))):
        (shape,) = [s for s in charts.accuracy([SNIP], epochs(), ends(), view=charts.View(x, moment=1)).layout.shapes if s.type == "rect"]
        assert (shape.x0, shape.x1) == band
    later = charts.accuracy([SNIP], epochs(), ends(), view=charts.View("images", moment=5))
    assert not later.layout.shapes  # not reached yet


def test_what_happened_stands_at_its_epoch() -> None:
    assert curves.events(epochs()) == [
        (0, "best", "weights of epoch 1 carried on"),
        (0, "prune", "pruned to a density of 80.0 %"),
        (1, "rate", "learning rate 0.1 to 0.01"),
        (2, "best", "weights of epoch 1 carried on"),
        (2, "prune", "pruned to a density of 64.0 %"),
    ]
    assert list(trace(charts.accuracy([SNIP], epochs(), ends()), "pruned").x) == [1, 3]


def test_gap_is_train_minus_validation_in_points() -> None:
    figure = charts.gap([SNIP], epochs(), ends())
    assert trace(figure, "every epoch").y == pytest.approx([10, 10, 10])
    assert trace(figure, "carried on").y == pytest.approx([10])


def test_loss_and_errors_show_the_numbers_of_the_table() -> None:
    assert trace(charts.loss([SNIP], epochs(), ends()), "validation").y == pytest.approx([1.6, 0.9, 0.5])
    assert list(trace(charts.errors([SNIP], epochs(), ends()), "errors").y) == [0, 45]


def test_overlays_stretch_runs_with_fewer_epochs_so_that_megabatches_lie_upon_each_other() -> None:
    short = {**MAGNITUDE, "config": {"megabatches": 2, "epochs": 1, "seed": 0}}
    rows = pd.concat([epochs(), epochs("r2").iloc[[0]]])
    labels = charts.labels([SNIP, short])
    figure = charts.accuracy([SNIP, short], rows, ends())
    assert list(trace(figure, labels["r2"]).x) == [2]


def test_sparsity_map_has_network_order_and_leaves_the_future_open() -> None:
    heat = charts.sparsity_map(layers(), SNIP).data[0]
    assert heat.z[:, 0] == pytest.approx([20, 40, 60])
    assert np.isnan(heat.z[:, 1]).all()
    assert heat.z.dtype == np.float32
    assert list(heat.customdata[2, 0]) == [40, 100, 39]
    assert [row[0] for row in heat.text] == [
        "conv1, megabatch 1",
        "layer1.0.conv1, megabatch 1",
        "fc, megabatch 1",
    ]


def test_sparsity_map_shows_the_last_count_of_a_megabatch() -> None:
    later = layers(kept=(5, 30, 40)).assign(segment=3)
    assert charts.sparsity_map(pd.concat([later, layers()]), SNIP).data[0].z[0, 0] == pytest.approx(50)


def test_difference_is_first_minus_second_in_points_on_a_scale_centred_on_zero() -> None:
    heat = charts.difference_map(pd.concat([layers(), layers("r2", (5, 30, 60))]), SNIP, MAGNITUDE, 0).data[0]
    assert heat.z[:, 0] == pytest.approx([30, 0, -20])
    assert heat.zmin == -heat.zmax


def test_kept_by_layer_shows_each_run_at_the_chosen_megabatch() -> None:
    figure = charts.kept_by_layer(pd.concat([layers(), layers("r2", (5, 30, 60))]), [SNIP, MAGNITUDE], 0)
    assert trace(figure, "SNIP").x == pytest.approx([80, 60, 40])
    assert trace(figure, "Magnitude").x == pytest.approx([50, 60, 60])


def test_mirrored_bars_stand_back_to_back_and_keep_positive_numbers() -> None:
    figure = charts.mirrored(pd.concat([layers(), layers("r2", (5, 30, 60))]), SNIP, MAGNITUDE, 0)
    left, right = figure.data
    assert (left.name, np.asarray(left.x).tolist(), right.name, np.asarray(right.x).tolist()) == (
        "SNIP",
        [80, 60, 40],
        "Magnitude",
        [50, 60, 60],
    )
    assert (figure.layout.xaxis.range, figure.layout.xaxis2.range) == ((103, 0), (0, 103))
    assert figure.layout.xaxis.domain[1] == figure.layout.xaxis2.domain[0]


def test_staircase_draws_sparsity_from_density() -> None:
    plan = pd.DataFrame({"megabatch": [0, 1, 2], "round": 0, "density": [1.0, 0.8, 0.5], "prunes": [False, True, True]})
    steps = charts.staircase(plan).data[0]
    assert list(steps.x) == [0.5, 1.5, 2.5, 3.5]
    assert list(steps.y) == pytest.approx([0, 20, 50, 50])
    assert list(charts.staircase(plan).data[1].text) == ["20 %", "50 %"]


@pytest.mark.parametrize(
    ("mask", "effective", "alive", "words"),
    [
        (0.5, 0.5, 0.5, []),
        (0.5049, 0.5049, 0.5049, []),  # half a weight of 100: rounding
        (0.4, 0.4, 0.4, ["10.00\u00a0points less than was requested"]),
        (0.5, 0.6, 0.5, ["10.00\u00a0points more than the mask keeps"]),
        (0.5, 0.5, 0.47, ["3 kept weights are on no path"]),
    ],
)
def test_truth_meter_marks_what_differs_beyond_rounding(mask: float, effective: float, alive: float, words: list[str]) -> None:
    point = {"density_requested": 0.5, "density_mask": mask, "density_effective": effective, "density_alive": alive}
    found = charts.disagreements(point, 100)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found))
    assert ("⚠" in charts.truth_meter(point, 100).layout.title.subtitle.text) == bool(words)
    assert charts.truth_meter(point, 100).data[0].x == pytest.approx([50, 100 * mask, 100 * effective, 100 * alive])


def test_truth_meter_says_why_groups_are_not_exact() -> None:
    point = {"density_requested": 0.5} | dict.fromkeys(("density_mask", "density_effective", "density_alive"), 0.4)
    assert charts.disagreements(point, 100, "filter")[0].endswith("less than was requested (groups stay whole: filter)")
    assert charts.disagreements(point, 100, "2:4")[0].endswith("less than was requested (2:4 keeps no more)")


def test_truth_meter_says_what_was_asked_of_flops() -> None:
    point = dict.fromkeys(("density_requested", "density_mask", "density_effective", "density_alive"), 0.2)
    shown = charts.truth_meter(point, 100, flops={"requested": 0.3, "left": 0.2996}).layout.title.subtitle.text
    assert "29.96 % of the FLOPs are left; 30.00 % were asked for" in shown
    point["density_alive"] = 0.1
    shown = charts.truth_meter(point, 100, flops={"requested": 0.3, "left": 0.2996}).layout.title.subtitle.text
    assert "no path" in shown and "29.96" in shown


def test_staircase_says_what_its_steps_are_shares_of() -> None:
    goals = ({"scope": "flops"}, {"densities": "conv1=0.5"})
    of_flops, of_layers = (charts.staircase(charts.planned(RunConfig(tau=4.0, megabatches=3, **goal))) for goal in goals)
    assert "41.0 % of the FLOPs are left" in of_flops.layout.title.subtitle.text
    assert of_flops.data[0].name == "planned, of the FLOPs" and of_flops.data[0].y[:3] == pytest.approx([20, 100 * (1 - 0.8**2.5), 59.04])
    assert "densities of layers" in of_layers.layout.title.subtitle.text
    assert of_layers.data[0].y[:3] == pytest.approx([25, 62.5, 100])  # 1, 2.5 and 4 of 4 rounds


def test_truth_meter_before_the_first_count() -> None:
    assert "nothing counted yet" in charts.truth_meter(None, 0).layout.title.subtitle.text


def test_a_colour_belongs_to_a_pruner_whatever_is_drawn_beside_it() -> None:
    alone, beside = charts.looks([MAGNITUDE])["r2"], charts.looks([MAGNITUDE, SNIP])["r2"]
    assert alone.colour == beside.colour == plugin_styles.colour_of("magnitude")
    assert charts.looks([SNIP, MAGNITUDE]) == charts.looks([MAGNITUDE, SNIP])


def test_seeds_of_one_experiment_share_its_colour_and_differ_in_marker() -> None:
    seeds = [{**SNIP, "run_id": f"r{i}", "config": {**SNIP["config"], "seed": i}} for i in range(3)]
    found = charts.looks(seeds)
    assert {look.colour for look in found.values()} == {plugin_styles.colour_of("snip")}
    assert len({look.symbol for look in found.values()}) == 3
    assert [found[f"r{i}"].label for i in range(3)] == ["seed 0", "seed 1", "seed 2"]


def test_twelve_experiments_have_twelve_colours_that_can_be_told_apart() -> None:
    runs = [{**SNIP, "run_id": f"r{i:02}", "config": {**SNIP["config"], "lr": 0.01 * (i + 1)}} for i in range(11)]
    colours = [look.colour for look in charts.looks([*runs, {**MAGNITUDE, "run_id": "x"}]).values()]
    assert len(set(colours)) == 12 and plugin_styles.colour_of("magnitude") in colours  # nobody else took it
    seen = [plugin_styles._as_seen(colour) for colour in colours]
    assert min(math.dist(one, other) for one, other in itertools.combinations(seen, 2)) > 0.05


def test_a_label_names_as_few_settings_as_tell_the_runs_apart() -> None:
    def labels(*settings: dict) -> list[str]:
        base = {**SNIP["config"], "arch": "mlp", "tau": 4.5}
        runs = [{**SNIP, "run_id": f"run-{i}", "config": {**base, **one}} for i, one in enumerate(settings)]
        return list(charts.labels(runs).values())

    assert labels({"arch": "mlp"}, {"arch": "lenet5", "epochs": 9}) == ["MLP", "LeNet-5"]
    assert labels({"seed": 0}, {"seed": 1, "tau": 10.0}) == ["63.36\u00a0% sparse", "89.26\u00a0% sparse"]
    assert labels({"lr": 0.1}, {"lr": 0.2}) == ["lr 0.1", "lr 0.2"]
    assert labels({"options": {"batches": "one"}}, {"options": {"batches": "all"}}) == ["batches one", "batches all"]


def test_runs_of_different_networks_are_not_shuffled_into_one_figure() -> None:
    other = layers("r2").assign(layer=["fc1.weight", "fc2.weight", "fc3.weight"])
    both = pd.concat([layers(), other])
    assert [[run["run_id"] for run in alike] for alike in charts.networks(both, [SNIP, MAGNITUDE])] == [["r1"], ["r2"]]
    figure = charts.kept_by_layer(both, [MAGNITUDE], 0, among=[SNIP, MAGNITUDE], network="LeNet-5 on Digits")
    assert figure.layout.title.text == "What is kept of each layer of LeNet-5 on Digits, at megabatch 1?"
    assert list(figure.layout.yaxis.ticktext) == ["fc1", "fc2", "fc3"]
    assert comparison_words.who_prunes_early(both, SNIP, MAGNITUDE)[0] == "Their early layers are not compared"
    assert list(trace(charts.kept_by_layer(layers(), [SNIP], 1), "APP · SNIP").x) == pytest.approx([80, 60, 40])  # it ended before


def test_several_runs_say_their_own_megabatch_and_epoch_in_a_small_box() -> None:
    two = charts.accuracy([SNIP, MAGNITUDE], pd.concat([epochs(), epochs("r2")]), pd.concat([ends(), ends("r2")]))
    assert two.layout.hovermode == "closest" and two.layout.height == style.COMPARED
    assert [list(row) for row in trace(two, "SNIP").customdata] == [[1, 1], [1, 2], [2, 1]]
    assert "megabatch %{customdata[0]}, epoch %{customdata[1]}" in trace(two, "SNIP").hovertemplate
    assert "after megabatch %{customdata[0]}" in trace(two, "SNIP, test").hovertemplate


def test_the_axis_of_runs_with_other_lengths_says_so() -> None:
    short = {**MAGNITUDE, "config": {**MAGNITUDE["config"], "epochs": 1}}
    assert charts.accuracy([SNIP], epochs(), ends()).layout.xaxis.title.text == "megabatch (each of 2 epochs)"
    both = charts.accuracy([SNIP, short], epochs(), ends())
    assert both.layout.xaxis.title.text == "megabatch (of 1 to 2 epochs, drawn equally wide)"


def test_runs_that_differ_in_nothing_still_have_names_of_their_own() -> None:
    twin = {**SNIP, "run_id": "20260101-aaaa"}
    assert set(charts.labels([SNIP, twin]).values()) == {"APP · SNIP · r1", "APP · SNIP · aaaa"}


@pytest.mark.parametrize("colour", [*plugin_styles.colours().values(), *plugin_styles._SPARE, style.GREY])
def test_colours_of_data_can_be_seen_on_both_backgrounds(colour: str) -> None:
    def luminance(hexa: str) -> float:
        parts = [int(hexa[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for background in ("#FFFFFF", "#12161C"):
        high, low = sorted((luminance(colour), luminance(background)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("conv1.weight", "conv1"),
        ("layer1.0.conv2.weight", "1.0 conv2"),
        ("layer3.0.downsample.0.weight", "3.0 down"),
        ("features.10.weight", "10"),
        ("fc.weight", "fc"),
    ],
)
def test_layer_names_are_short_on_the_axis(name: str, short: str) -> None:
    assert charts.short_layer(name) == short


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    x, y = style.thin(np.arange(10_000.0), np.arange(10_000.0) * 2)
    assert len(x) == style.MAX_POINTS
    assert (x[0], x[-1], y[-1]) == (0, 9_999, 19_998)
    assert x.dtype == np.float32


def test_the_answer_says_who_and_when() -> None:
    def at(megabatch: int, run_id: str, kept: int) -> pd.DataFrame:
        return layers(run_id, (kept, 30, 40)).assign(megabatch=megabatch)

    both = pd.concat([at(0, "r1", 9), at(0, "r2", 5), at(1, "r1", 4), at(1, "r2", 6)])
    headline, detail = comparison_words.who_prunes_early(both[both["megabatch"] == 0], SNIP, MAGNITUDE)
    assert headline == "Magnitude prunes the early layers harder at megabatch 1"
    assert "Magnitude keeps 50\u00a0%, SNIP 90\u00a0%" in detail
    assert "At megabatch 2 it is the other way round." in comparison_words.who_prunes_early(both, SNIP, MAGNITUDE)[1]
    assert comparison_words.who_prunes_early(layers().iloc[:0], SNIP, MAGNITUDE)[0] == "No layer has been counted yet"


def test_layers_of_runs_with_rounds_stand_over_rounds() -> None:
    config = {"method": "imp", "pruner": "magnitude", "megabatches": 1, "epochs": 2, "tau": 3.0, "seed": 0}
    segments = [segment for segment in plan(RunConfig(**config)) if segment.kind == "prune"]
    ticket = {**SNIP, "run_id": "r1", "method": "imp", "pruner": "magnitude", "config": RunConfig(**config).model_dump(mode="json")}
    control = {**ticket, "run_id": "r2", "config": {**ticket["config"], "options": {"control": "reinit"}}}
    counted = pd.concat(
        [
            layers(run_id, (10 - 2 * place - lead, 50, 100)).assign(segment=segment.index)
            for run_id, lead in (("r1", 0), ("r2", 1))
            for place, segment in enumerate(segments)
        ]
    )
    assert charts.reached(counted, [ticket, control]).tolist() == [3, 3]
    heat = charts.difference_map(counted, ticket, control, 2)
    assert heat.layout.xaxis.title.text == "round" and list(heat.layout.xaxis.ticktext) == ["0", "1", "2", "3"]
    assert heat.data[0].z[0][1:] == pytest.approx([10, 10, 10])  # a point of the first layer in each round that cuts
    assert charts.mirrored(counted, ticket, control, 3).layout.title.text == "Who keeps more of each layer, at round 3?"
    head, _ = comparison_words.who_prunes_early(counted, ticket, control)
    assert head.endswith("prunes the early layers harder at every round")
    assert charts.kept_by_layer(counted, [ticket, SNIP], 0).layout.title.text.endswith("at megabatch 1?")  # stages of different kinds


def test_spans() -> None:
    assert comparison_words.spans([0, 1, 2, 5], "123456") == "1 to 3 and 6"
    assert comparison_words.spans([0, 1], "12") == "1 and 2"


def test_final_table_and_differences_and_pairing() -> None:
    table = charts.final_table([SNIP, MAGNITUDE], ends())
    assert table["test_accuracy"].tolist()[0] == 75
    assert table["sparsity"].tolist()[0] == pytest.approx(20)
    assert table["megabatches"].tolist() == ["1 of 2", "0 of 2"]
    other = {**MAGNITUDE, "config": {**MAGNITUDE["config"], "seed": 1}, "hashes": {"init": "other", "order": "b"}}
    differing, equal = charts.setting_differences([SNIP, other])
    assert (differing.index.tolist(), equal) == (["seed"], {"megabatches": 2, "epochs": 2})
    assert charts.pairing([SNIP, other]) == {"init": False, "order": True, "scoring": None, "data": None}


def test_epochs_of_several_rounds_follow_each_other() -> None:
    config = RunConfig(method="imp", arch="mlp", megabatches=1, epochs=2, tau=2.0, options={"rate": 0.2})
    run = {"run_id": "a", "title": "a", "method": "imp", "pruner": "magnitude", "seed": 0, "config": config.model_dump(mode="json")}
    rounds = len([segment for segment in plan(config) if segment.kind == "epoch"]) // 2
    rows = [(r, epoch) for r in range(rounds) for epoch in range(2)]
    epochs = pd.DataFrame({"run_id": "a", "megabatch": 0, "epoch": [epoch for _, epoch in rows], "round": [r for r, _ in rows]})
    for name in ("train_accuracy", "val_accuracy", "train_loss", "val_loss", "density", "learning_rate", "is_best"):
        epochs[name] = 0.5
    epochs["segment"] = [segment.index for segment in plan(config) if segment.kind == "epoch"]
    ends = pd.DataFrame(
        columns=["run_id", "segment", "megabatch", "test_accuracy", "test_loss", "generalization_gap", "cer", "test_errors"]
    )
    figure = charts.accuracy([run], epochs, ends)
    assert rounds > 1 and list(figure.data[0].x) == [step + 1 for step in range(2 * rounds)]
    assert figure.layout.xaxis.title.text == "round (each of 2 epochs)"
    assert list(figure.layout.xaxis.ticktext) == [str(number) for number in range(rounds)]


def test_the_clean_gap_is_marked_beside_the_published_one_where_it_is_known() -> None:
    """In view as well, though it may be far above the gap of any epoch."""
    figure = charts.gap([SNIP], epochs(), ends())
    marks = {trace.name: list(trace.y) for trace in figure.data if trace.mode == "markers"}
    assert marks == {"carried on": [pytest.approx(10.0)], "clean": [pytest.approx(20.0)]} and figure.layout.yaxis.range[1] > 20
    older = charts.gap([SNIP], epochs(), ends().assign(clean_gap=np.nan))
    assert [trace.name for trace in older.data if trace.mode == "markers"] == ["carried on"]


def test_a_spike_beyond_the_frame_is_marked_on_its_edge_with_its_value() -> None:
    steep = epochs().loc[[0] * 1 + [1] * 120].reset_index(drop=True).assign(val_loss=[9.0] + [0.9] * 120, train_accuracy=0.8)
    figure = charts.loss([SNIP, MAGNITUDE], pd.concat([steep, epochs("r2")]), ends())
    (mark,) = [trace for trace in figure.data if trace.name.endswith("beyond")]
    assert list(mark.y) == [figure.layout.yaxis.range[1]] and list(mark.customdata) == [pytest.approx(9.0)]
    assert "beyond the frame" in figure.layout.title.subtitle.text
    assert not [trace for trace in charts.loss([SNIP], epochs(), ends()).data if "beyond" in trace.name]


def test_marks_of_events_lie_above_the_curve_and_a_lone_run_is_a_whole_line() -> None:
    figure = charts.accuracy([SNIP], epochs().assign(val_accuracy=1.0), ends())
    low, high = figure.layout.yaxis.range
    (at,) = {float(y) for trace in figure.data if trace.yaxis == "y2" for y in trace.y}
    assert low + at * (high - low) > 102
    assert trace(figure, "validation").line.dash == "solid"


def test_only_weights_that_are_kept_and_dead_wear_the_ring_of_a_warning() -> None:
    config = RunConfig(megabatches=2, arch="mlp")
    healthy = pd.DataFrame({"stage": [0, 1], "density_mask": [0.8, 0.6], "density_alive": [0.8, 0.6]})
    rings = [trace for trace in charts.staircase(charts.planned(config), healthy).data if trace.mode == "markers"]
    assert [ring.name for ring in rings] == ["counted"]
    dead = charts.staircase(charts.planned(config), healthy.assign(density_alive=[0.8, 0.5]))
    (ring,) = [trace for trace in dead.data if trace.mode == "markers" and trace.name != "counted"]
    assert (list(ring.x), list(ring.y)) == ([2], [pytest.approx(50)])


def test_a_ticket_has_a_step_for_each_round() -> None:
    figure = charts.staircase(charts.planned(RunConfig(method="imp", arch="mlp", megabatches=1, epochs=2, tau=7.0)))
    assert figure.layout.xaxis.title.text == "round" and list(figure.layout.xaxis.ticktext) == [str(number) for number in range(8)]
    assert figure.data[0].y[:3] == pytest.approx([0, 20, 36])
    assert "7 prune points" in figure.layout.title.subtitle.text
