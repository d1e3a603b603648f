"""Runs that differ only in their seed: grouping, bands, differences, and which one is best beyond the spread."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from appcore import charts
from appcore.analysis import repeats


def run(run_id: str, seed: int, pruner: str = "snip", **more: Any) -> dict[str, Any]:
    config = {"seed": seed, "pruner": pruner, "megabatches": 2, "epochs": 1, "device": "cpu", **more}
    return {"run_id": run_id, "method": "app", "pruner": pruner, "config": config, "status": "done"}


RUNS = [run("a1", 1), run("b1", 1, "magnitude"), run("a0", 0), run("b0", 0, "magnitude"), run("b2", 2, "magnitude")]


def ends(accuracies: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    row = {"generalization_gap": 0.1, "density_mask": 0.5, "density_alive": 0.4, "val_accuracy": 0.7, "test_errors": 9}
    found = [
        {**row, "run_id": run_id, "megabatch": t, "test_accuracy": value, "cer": round(100 * (1 - value)) * (t + 1)}
        for run_id, values in accuracies.items()
        for t, value in enumerate(values)
    ]
    return pd.DataFrame(found)


ENDS = ends({"a1": (0.5, 0.6), "a0": (0.4, 0.7), "b1": (0.45, 0.5), "b0": (0.3, 0.6), "b2": (0.9, 0.95)})


def test_runs_that_differ_in_seed_and_device_alone_belong_together() -> None:
    groups = repeats.grouped([*RUNS, run("c0", 0, device="cuda"), run("d0", 0, epochs=2)])
    assert [(group.first["run_id"], group.seeds) for group in groups] == [("a0", [0, 1]), ("b0", [0, 1, 2]), ("d0", [0])]


def test_a_band_is_mean_and_range_over_the_seeds_that_are_there() -> None:
    snip, magnitude = repeats.grouped(RUNS)
    table = repeats.band(repeats.by_seed(snip, ENDS, "test_accuracy"))
    assert table["mean"].tolist() == pytest.approx([0.45, 0.65])
    assert table[["low", "high", "n"]].to_numpy().tolist() == [[0.4, 0.5, 2], [0.6, 0.7, 2]]
    early = repeats.band(repeats.by_seed(magnitude, ENDS[~((ENDS["run_id"] == "b2") & (ENDS["megabatch"] == 1))], "test_accuracy"))
    assert early["n"].tolist() == [3, 2] and early["high"].tolist() == [0.9, 0.6]


def test_differences_are_taken_seed_by_seed() -> None:
    snip, magnitude = repeats.grouped(RUNS)
    table = repeats.difference(*(repeats.by_seed(group, ENDS, "test_accuracy") for group in (snip, magnitude)))
    assert table["n"].tolist() == [2, 2]  # the third seed has no partner
    assert table["mean"].tolist() == pytest.approx([0.075, 0.1])
    # Differences 0.05 and 0.1: mean 0.075, standard error 0.025, Student's t for one degree of freedom 12.71.
    assert table["high"].tolist()[0] == pytest.approx(0.075 + 12.71 * 0.025)
    assert table[["low", "high"]].iloc[1].tolist() == pytest.approx([0.1, 0.1])


def test_one_pair_of_seeds_has_a_difference_and_no_interval() -> None:
    one, other = repeats.grouped([RUNS[0], RUNS[1]])
    table = repeats.difference(*(repeats.by_seed(group, ENDS, "test_accuracy") for group in (one, other)))
    assert table["n"].tolist() == [1, 1] and table["low"].isna().all()
    assert not len(repeats.difference(repeats.by_seed(one, ENDS, "cer"), repeats.by_seed(repeats.grouped([RUNS[4]])[0], ENDS, "cer")))


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ([{0: 80.0, 1: 81.0, 2: 80.5}, {0: 70.0, 1: 71.2, 2: 70.4}], 1, 0),
        ([{0: 80.0, 1: 81.0, 2: 80.5}, {0: 70.0, 1: 71.2, 2: 70.4}], -1, 1),
        ([{0: 80.0, 1: 70.0}, {0: 70.0, 1: 69.0}], 1, None),  # differences 10 and 1: t of one degree of freedom is 12.7
        ([{0: 50.0, 1: 90.0, 2: 70.0}, {0: 49.0, 1: 89.1, 2: 68.9}], 1, 0),  # far spread, yet always one ahead: pairs tell
        ([{0: 80.0}, {0: 10.0}], 1, None),  # one seed each
        ([{0: 80.0, 1: 81.0}, {2: 10.0, 3: 11.0}], 1, None),  # no seed in common
        ([{0: 80.0, 1: 81.0, 2: 80.5}, {}], 1, None),
        ([{0: 3.0, 1: 3.0}, {0: 3.0, 1: 3.0}], -1, None),  # equal
        ([{0: 9.0, 1: 9.1}, {0: 5.0, 1: 5.1}, {0: 9.0, 1: 9.0}], 1, None),  # ahead of one, not of the other
    ],
)
def test_best_is_said_only_beyond_the_spread(values: list[dict[int, float]], better: int, expected: int | None) -> None:
    assert repeats.best(values, better) == expected


def test_the_table_of_experiments_marks_the_best_only_then() -> None:
    # Seed by seed SNIP is 0.05 and 0.15 ahead: an interval of two differences that far apart holds 0.
    spread = ends({"a1": (0.6,), "a0": (0.7,), "b1": (0.55,), "b0": (0.55,), "b2": (0.95,)})
    table = charts.summary_table(repeats.grouped(RUNS), spread)
    assert table["Test accuracy, %"].tolist() == ["65.0 ± 7.1", "68.3 ± 23.1"]
    assert table["Seeds done"].tolist() == ["2 of 2", "3 of 3"]
    # 0.10 ahead with both seeds.
    table = charts.summary_table(repeats.grouped(RUNS[:4]), ends({"a1": (0.6,), "a0": (0.7,), "b1": (0.5,), "b0": (0.6,)}))
    assert table["Test accuracy, %"].tolist() == ["65.0 ± 7.1 ★", "55.0 ± 7.1"]
    assert table["Sparsity, %"].tolist() == ["50.00", "50.00"]  # neither is better
    running = [{**item, "status": "running"} for item in RUNS]
    assert charts.summary_table(repeats.grouped(running), ENDS)["Test accuracy, %"].tolist() == ["–", "–"]


def test_the_figure_of_differences_has_an_interval_and_names_the_baseline() -> None:
    groups = repeats.grouped(RUNS)
    figure = charts.differences("test_accuracy", groups, groups[1], ENDS, revision="r")
    assert figure.layout.title.text == "What is gained over Magnitude?"
    line = next(item for item in figure.data if item.name == "SNIP (n = 2)")
    assert np.asarray(line.y).tolist() == pytest.approx([7.5, 10.0]) and np.asarray(line.x).tolist() == [1, 2]
    half = 12.71 * 2.5  # as bars, which are seen at one megabatch too
    assert np.asarray(line.error_y.array).tolist() == pytest.approx([half, 0])
    assert line.error_y.array == pytest.approx(line.error_y.arrayminus)
    pair = repeats.grouped(RUNS[:2])
    alone = charts.differences("cer", pair, pair[0], ENDS)
    assert all(math.isnan(value) for item in alone.data for value in item.error_y.array)
    long = repeats.grouped([{**item, "config": {**item["config"], "megabatches": 40}} for item in RUNS])
    assert [item.fill for item in charts.differences("test_accuracy", long, long[1], ENDS).data] == [None, "tonexty", None]


def test_bands_show_mean_and_range() -> None:
    epochs = pd.DataFrame(
        [
            {"run_id": r, "megabatch": t, "epoch": 0, "val_accuracy": v, "train_accuracy": v + 0.1, "val_loss": 1 - v, "seconds": 1.0}
            for r, values in {"a0": (0.4, 0.7), "a1": (0.5, 0.6)}.items()
            for t, v in enumerate(values)
        ]
    ).assign(samples_seen=1)
    runs = [{**item, "config": {**item["config"]}} for item in RUNS if item["run_id"].startswith("a")]
    for name, expected in (("accuracy", [45, 65]), ("gap", [10, 10]), ("loss", [0.55, 0.35])):
        figure = charts.bands(name, repeats.grouped(runs), epochs, ENDS, revision="r")
        line = next(item for item in figure.data if item.name == "APP · SNIP, mean of 2 seeds")
        assert np.asarray(line.y).tolist() == pytest.approx(expected)
        assert np.asarray(line.x).tolist() == [1, 2]
    errors = charts.bands("errors", repeats.grouped(runs), epochs, ENDS, revision="r")
    assert np.asarray(errors.data[-1].y).tolist() == [55, 70]


def test_means_over_seeds_are_not_named_after_a_seed() -> None:
    """Though one experiment begins with seed 1 and the other with seed 2."""
    groups = repeats.grouped([RUNS[0], RUNS[4]])
    assert list(charts.experiment_labels(groups).values()) == ["SNIP", "Magnitude"]
    assert charts.experiment_labels(groups[:1], RUNS) == {"a1": "SNIP"}  # hiding the others changes no name


def test_bands_of_errors_are_seen_at_one_megabatch() -> None:
    row = {"run_id": "a1", "megabatch": 0, "epoch": 0, "val_accuracy": 0.5, "train_accuracy": 0.5}
    epochs = pd.DataFrame([{**row, "val_loss": 1.0, "seconds": 1.0, "samples_seen": 1}])
    figure = charts.bands("errors", repeats.grouped(RUNS[:1]), epochs, ends({"a1": (0.5,)}))
    assert figure.data[-1].mode == "lines+markers" and np.asarray(figure.data[-1].y).tolist() == [50]


@pytest.mark.parametrize(
    ("values", "headline"),
    [
        ({"a0": (0.9,), "a1": (0.92,), "b0": (0.8,), "b1": (0.82,)}, "10.0 points better (2 seeds, 95 % 10.0 to 10.0): more than luck"),
        ({"a0": (0.9,), "a1": (0.7,), "b0": (0.8,), "b1": (0.7,)}, "5.0 points better (2 seeds, 95 % -58.5 to 68.5): could be luck"),
        ({"a0": (1.0,), "a1": (0.3,), "b0": (0.1,), "b1": (0.3,)}, "45.0 points better (2 seeds, 95 % -100.0 to 100.0): could be luck"),
        ({"a0": (0.9,), "b0": (0.8,)}, "10.0 points better (one seed, no interval): could be luck"),
        ({"a0": (0.9,), "b1": (0.8,)}, "10.0 points better (no seed in common, no interval): could be luck"),
        ({"a0": (0.9,), "b0": (0.9,)}, "SNIP and Magnitude are equally accurate"),
        ({"a0": (0.9,)}, "APP · SNIP has 90.0 % of the test images right"),
        ({}, ""),
    ],
)
def test_who_is_more_accurate_is_said_with_interval_and_n(values: dict[str, tuple[float, ...]], headline: str) -> None:
    runs = [run(name, int(name[1]), {"a": "snip", "b": "magnitude"}[name[0]], megabatches=1, dataset="digits") for name in values]
    found = ends(values) if values else ENDS.iloc[:0]
    assert charts.who_is_more_accurate(repeats.grouped(runs), found)[0].replace("\u00a0", " ").removeprefix("SNIP is ") == headline


def test_the_leader_of_several_is_set_against_the_next_and_other_data_are_not_compared() -> None:
    def of(dataset: str) -> list[dict[str, Any]]:
        return [run("a0", 0), run("b0", 0, "magnitude"), run("c0", 0, "random", dataset=dataset)]

    values = ends({"a0": (0.5, 0.9), "b0": (0.9, 0.8), "c0": (0.6, 0.7)})
    runs = [{**one, "config": {"dataset": "digits", **one["config"]}} for one in of("digits")]
    headline, detail = charts.who_is_more_accurate(repeats.grouped(runs), values)
    assert headline.startswith("SNIP is the most accurate of 3, 10.0 points ahead of Magnitude") and "after megabatch 2 of 2" in detail
    going = [runs[0], {**runs[1], "status": "running"}]
    headline, detail = charts.who_is_more_accurate(repeats.grouped(going), values[(values["run_id"] == "a0") | (values["megabatch"] == 0)])
    assert headline.startswith("Magnitude is 40.0 points better") and "after megabatch 1 of 2" in detail  # what both have finished
    other = [{**one, "config": {"dataset": "digits", **one["config"]}} for one in of("mnist")]
    assert "different test images" in charts.who_is_more_accurate(repeats.grouped(other), values)[0]
