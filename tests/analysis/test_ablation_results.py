"""Results of an ablation by eye: means, spread, intervals, no winner without proof, a setting that plays no part, filters, figures."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from appcore import markup
from appcore.analysis import ablation_results
from appcore.charts import ablation_results as result_charts

ORDER = {"pruner": ["snip", "magnitude"], "method": ["app", "dense"], "seed": ["0", "1"]}
LABELS = {"pruner": "Pruner", "method": "Method", "seed": "Seed", "": ""}
AXES = ["method", "pruner", "seed"]


def frame(values: dict[tuple[str, str], list[float]], **states: str) -> pd.DataFrame:
    """Rows of finished runs: {(method, pruner): accuracies by seed}."""
    rows = []
    for (method, pruner), accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            done = not math.isnan(accuracy)
            row: dict[str, Any] = {"method": method, "pruner": pruner, "seed": str(seed), "run_id": f"{method}{pruner}{seed}"}
            row |= {
                "state": "done" if done else "failed",
                "error": "" if done else "<b>RuntimeError</b>",
                **dict.fromkeys(ablation_results.METRICS, math.nan),
            }
            rows.append(row | {"test_accuracy": accuracy, "sparsity": 50.0 if done else math.nan})
    return pd.DataFrame(rows)


FAR = {("app", "snip"): [90.0, 90.2], ("app", "magnitude"): [70.0, 70.2], ("dense", "any"): [80.0, 80.2]}


def test_mean_spread_interval_and_n() -> None:
    table = ablation_results.summary(
        frame({("app", "snip"): [90.0, 92.0, 94.0], ("app", "magnitude"): [80.0, math.nan]}), ["pruner"], "test_accuracy"
    )
    first, second = table.to_dict("records")
    assert (first["pruner"], first["n"], first["mean"], first["sd"]) == ("snip", 3, 92.0, 2.0)
    assert first["high"] == pytest.approx(92.0 + 4.303 * 2 / math.sqrt(3))
    assert (second["n"], second["runs"], second["failed"], second["mean"]) == (1, 2, 1, 80.0)
    assert math.isnan(second["low"])
    assert ablation_results.as_text(first, "test_accuracy") == "92.0 ± 2.0 % (n = 3)"
    assert ablation_results.as_text(second, "test_accuracy") == "80.0 % (n = 1)"
    assert ablation_results.as_text({"n": 0}, "cer") == "–"


@pytest.mark.thorough
def test_intervals_are_those_of_students_t() -> None:
    stats = pytest.importorskip("scipy.stats")
    for count in (2, 3, 10, 19, 25):
        values = np.arange(count, dtype=float)
        low, high = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
        assert ablation_results.interval(values) == pytest.approx((low, high), rel=0.01)


@pytest.mark.parametrize("values", [[58.0, 88.0], [99.0, 100.0], [0.0, 1.0]])
def test_intervals_of_shares_stay_within_what_a_share_can_be(values: list[float]) -> None:
    row = ablation_results.summary(frame({("app", "snip"): values}), ["pruner"], "test_accuracy").iloc[0]
    low, high = ablation_results.interval(np.asarray(values))
    assert (row["low"], row["high"]) == (max(0, low), min(100, high)) and row["low"] <= row["mean"] <= row["high"]
    assert low < 0 or high > 100


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (FAR, {("snip", "app")}),  # dense runs have no criterion to win with
        ({("app", "snip"): [90.0, 92.0], ("app", "magnitude"): [89.0, 91.2]}, set()),  # 1.0 and 0.8 ahead: an interval over two holds 0
        ({("app", "snip"): [90.0, 92.0], ("app", "magnitude"): [89.0, 91.0]}, {("snip", "app")}),  # one ahead each time
        ({("app", "snip"): [90.0], ("app", "magnitude"): [10.0]}, set()),  # one run proves nothing
        ({("app", "snip"): [90.0, 90.1]}, set()),  # nothing to win against
    ],
)
def test_each_column_has_a_winner_where_one_is_ahead_seed_by_seed(values: dict, expected: set) -> None:
    rows = frame(values)
    assert ablation_results.best_of_columns(rows, "pruner", "method", ORDER, "test_accuracy") == expected
    assert ablation_results.best_of_columns(rows, "pruner", "method", ORDER, "sparsity") == set()  # no better or worse


def test_a_winner_of_one_column_need_not_win_the_others_and_one_without_a_column_stands_in_all() -> None:
    values = {("app", "snip"): [98.1, 98.4], ("app", "magnitude"): [98.0, 98.9]}
    values |= {("osp", "snip"): [60.0, 61.0], ("osp", "magnitude"): [10.0, 10.5]}
    order = {**ORDER, "method": ["app", "osp"]}
    assert ablation_results.best_of_columns(frame(values), "pruner", "method", order, "test_accuracy") == {("snip", "osp")}
    across = ablation_results.best_of_columns(frame(FAR), "method", "pruner", ORDER, "test_accuracy")
    assert across == {("app", "snip"), ("dense", "magnitude")}


def test_a_setting_that_plays_no_part_fills_its_line() -> None:
    table = ablation_results.summary(frame(FAR), ["pruner", "method"], "test_accuracy")
    found = ablation_results.grid(table, "pruner", "method", ORDER)
    assert sorted(zip(found["row"], found["column"], found["mean"].round(1), found["idle"])) == [
        ("magnitude", "app", 70.1, False),
        ("magnitude", "dense", 80.1, True),
        ("snip", "app", 90.1, False),
        ("snip", "dense", 80.1, True),
    ]


def test_ranges_drawn_on_parallel_coordinates_filter_rows() -> None:
    rows = frame(FAR)
    assert len(ablation_results.within(rows, {}, ORDER)) == 6
    assert ablation_results.within(rows, {"test_accuracy": [75, 85]}, ORDER)["method"].tolist() == ["dense", "dense"]
    assert ablation_results.within(rows, {"pruner": [-0.2, 0.2], "seed": [0.5, 1.2]}, ORDER)["run_id"].tolist() == ["appsnip1"]
    assert len(ablation_results.within(rows, {"test_accuracy": [[69, 71], [89, 91]]}, ORDER)) == 4
    assert ablation_results.within(rows, {"pruner": [1.6, 2.4]}, ORDER)["method"].tolist() == ["dense", "dense"]  # "any"


def test_rows_know_missing_running_and_finished_cells() -> None:
    run = {"run_id": "r", "status": "done", "error": None, "totals": {"seconds": 3.0, "train_flops_sparse": 2e12}}
    end = {
        "run_id": "r",
        "test_accuracy": 0.9,
        "generalization_gap": 0.01,
        "cer": 7,
        "val_accuracy": 0.8,
        "density_mask": 0.25,
        "density_alive": 0.2,
    }
    cells = [{"values": {"tau": 4.5, "flip": True}, "run": run}, {"values": {"tau": None, "flip": False}, "run": None}]
    cells.append({"values": {"tau": 1.0, "flip": False}, "run": {**run, "run_id": "s", "status": "running"}})
    found = ablation_results.rows(cells, pd.DataFrame([end, {**end, "run_id": "s"}]))
    assert found["state"].tolist() == ["done", "missing", "running"]
    assert found["tau"].tolist() == ["4.5", "any", "1"]
    assert found["flip"].tolist() == ["yes", "no", "no"]
    assert found.iloc[0][["test_accuracy", "sparsity", "density_alive", "seconds", "train_flops_sparse"]].tolist() == pytest.approx(
        [90, 75, 20, 3, 2]
    )
    assert found["test_accuracy"].isna().tolist() == [False, True, True]  # numbers of a run that is not done are not its result


# ---- figures


def test_heatmap_writes_mean_spread_and_the_star() -> None:
    figure = result_charts.heatmap(frame(FAR), "test_accuracy", "pruner", "method", ORDER, LABELS)
    assert f"90.1 ★{markup.BREAK}± 0.1" in figure.data[1].text
    assert "Pruner plays no part here" in figure.data[0].text[0][1]
    assert "no winner" not in figure.layout.title.subtitle.text


def test_failed_and_waiting_cells_are_told_apart_without_colour() -> None:
    rows = frame({("app", "snip"): [math.nan], ("app", "magnitude"): [90.0]})
    assert "✕" in result_charts.heatmap(rows, "test_accuracy", "pruner", "method", ORDER, LABELS).data[1].text
    figure = result_charts.board(rows, "pruner", "method", ORDER, LABELS)
    assert {trace.name: trace.marker.symbol for trace in figure.data} == {"done": "circle", "failed": "x"}
    assert "<b>RuntimeError</b>" in figure.data[1].text[0]


def test_marks_of_one_cell_do_not_cover_each_other() -> None:
    figure = result_charts.board(frame({("app", "snip"): [90.0] * 7}), "pruner", "method", ORDER, LABELS)
    places = list(zip(figure.data[0].x, figure.data[0].y))
    assert len(set(places)) == 7
    assert all(abs(x) < 0.5 and abs(y) < 0.5 for x, y in places)


def test_small_multiples_and_parallel_coordinates() -> None:
    figure = result_charts.small_multiples(frame(FAR), "test_accuracy", ("method", "pruner", ""), ORDER, LABELS)
    assert [trace.name for trace in figure.data if trace.showlegend] == ["SNIP", "Magnitude"]
    assert list(figure.data[1].y) == [pytest.approx(90.1), pytest.approx(80.1)]
    assert "equally apart" in figure.layout.title.subtitle.text
    figure = result_charts.parallel(frame(FAR), AXES, "test_accuracy", ORDER, LABELS)
    assert [axis.label for axis in figure.data[0].dimensions][:3] == ["Method", "Pruner", "Seed"]
    assert result_charts.parallel_names(frame(FAR), AXES, "test_accuracy", ORDER) == [*AXES, "test_accuracy", "sparsity"]


def test_figures_of_nothing() -> None:
    empty = frame({("app", "snip"): [math.nan]})
    assert json.loads(result_charts.parallel(empty, AXES, "cer", ORDER, LABELS).to_json())
    assert json.loads(result_charts.small_multiples(empty, "cer", ("pruner", "method", "seed"), ORDER, LABELS).to_json())
    assert result_charts.heatmap(empty, "cer", "pruner", "method", ORDER, LABELS).data


def test_numbers_stand_as_far_apart_as_they_are_unless_some_would_lie_on_others() -> None:
    rows = frame(FAR).replace({"app": "50 % (tau 3.1)", "dense": "90 % (tau 10.3)"})
    order = {**ORDER, "method": ["50 % (tau 3.1)", "90 % (tau 10.3)"]}
    numbers = dict(zip(order["method"], (50.0, 90.0)))
    figure = result_charts.small_multiples(rows, "test_accuracy", ("method", "pruner", ""), order, LABELS, numbers=numbers)
    assert list(figure.layout.xaxis.tickvals) == [0, 40] and "equally apart" not in figure.layout.title.subtitle.text
    assert figure.layout.xaxis.ticktext[0] == f"50 %{markup.BREAK}(tau 3.1)"
    means = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert max(abs(place - wanted) for trace in means for place, wanted in zip(trace.x, (0, 40))) < 0.3  # beside each other, not elsewhere
    assert result_charts._places(["a", "b", "c"], {"a": 1.0, "b": 1.1, "c": 90.0})[1] is False
