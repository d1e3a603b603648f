"""The moments of runs, counted by hand: two megabatches of two epochs, each opened by a prune point and ended by a test."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from appcore.charts import View
from appcore.charts.playback.moments import moments
from appcore.charts.playback.still import frame_of, keep
from appcore.config import RunConfig

# The plan of method app: 0 prune, 1 epoch, 2 epoch, 3 test, 4 prune, 5 epoch, 6 epoch, 7 test.
EPOCHS, ENDS, CUTS = (1, 2, 5, 6), (3, 7), (0, 4)


def run(name: str = "a") -> dict[str, Any]:
    return {"run_id": name, "config": RunConfig(megabatches=2, epochs=2, batch_size=10).model_dump(), "started": None}


def tables(*names: str, seconds: float = 1.0) -> dict[str, pd.DataFrame]:
    """The second run takes twice the time of the first."""

    def rows(segments: tuple[int, ...], **more: Any) -> pd.DataFrame:
        found = [{"run_id": name, "segment": segment, "megabatch": int(segment > 3)} for name in names for segment in segments]
        return pd.DataFrame(found).assign(**more)

    epochs = rows(EPOCHS, samples_seen=[20, 40, 80, 120] * len(names))
    epochs["seconds"] = [seconds * (1 + names.index(name)) for name in epochs["run_id"]]
    layers = pd.concat([rows(CUTS, point="prune"), rows(ENDS, point="end")], ignore_index=True)
    return {"epochs": epochs, "megabatches": rows(ENDS), "prunes": rows(CUTS), "layers": layers, "rounds": pd.DataFrame(columns=["run_id"])}


def test_a_run_is_played_event_by_event() -> None:
    rows = tables("a")
    known = moments(View(), [run()], rows)
    assert list(known.words) == [
        "the start",
        "megabatch 1 of 2, prune point",
        "megabatch 1 of 2, epoch 1 of 2",
        "megabatch 1 of 2, epoch 2 of 2",  # with its test
        "megabatch 2 of 2, prune point",
        "megabatch 2 of 2, epoch 1 of 2",
        "megabatch 2 of 2, epoch 2 of 2",
    ]
    assert known.places.tolist() == [0, 0, 1, 2, 2, 3, 4]
    assert {name: list(found) for name, found in known.of_rows.items()} == {
        "epochs": [2, 3, 5, 6],
        "megabatches": [3, 6],
        "prunes": [1, 4],
        "layers": [1, 4, 3, 6],
        "rounds": [],
    }
    assert known.counts == [1, 3, 4, 6]


@pytest.mark.parametrize(
    ("at", "epochs", "ends", "cuts", "layers"),
    [(0, 0, 0, 0, 0), (1, 0, 0, 1, 1), (3, 2, 1, 1, 2), (4, 2, 1, 2, 3), (6, 4, 2, 2, 4)],
)
def test_what_was_there_at_a_moment(at: int, epochs: int, ends: int, cuts: int, layers: int) -> None:
    rows = tables("a")
    known = moments(View(), [run()], rows)
    found = [len(known.until(at, name, rows[name])) for name in ("epochs", "megabatches", "prunes", "layers", "rounds")]
    assert found == [epochs, ends, cuts, layers, 0]


def test_two_runs_are_at_the_same_place_of_the_axis() -> None:
    rows, runs = tables("a", "b"), [run("a"), run("b")]
    by_stage = moments(View(), runs, rows)
    assert by_stage.last == 6  # each comes as far as the other
    by_time = moments(View("time"), runs, rows)
    now = by_time.words.index("4 s")  # a: four epochs of one second; b: two of two seconds
    assert by_time.until(now, "epochs", rows["epochs"]).groupby("run_id").size().to_dict() == {"a": 4, "b": 2}
    assert by_time.until(now, "megabatches", rows["megabatches"])["run_id"].tolist() == ["a", "a", "b"]
    assert moments(View("images"), runs, rows).words[:3] == ("the start", "0 images, prune point", "20 images")


def test_a_place_that_is_not_known_is_the_end() -> None:
    known = moments(View("FLOPs"), [run()], tables("a"))  # a version that did not count them
    assert known.places.tolist() == [0, 0, 1, 1]  # the first prune point, then everything at once


def test_many_moments_are_spread_evenly_and_keep_both_ends() -> None:
    rows = tables("a")
    known = moments(View(), [run()], rows, most=3)
    assert known.places.tolist() == [0, 2, 4]
    assert known.of_rows["epochs"].tolist() == [1, 1, 2, 2]  # a row comes with the next moment that is kept


def test_the_end_of_a_stage_is_found_for_old_links() -> None:
    rows = tables("a", "b")
    known = moments(View(), [run("a"), run("b")], rows)
    assert known.with_all("epochs", (rows["epochs"]["megabatch"] < 1).to_numpy()) == 3
    assert known.with_all("epochs", (rows["epochs"]["megabatch"] < 0).to_numpy()) == 6


def test_a_part_keeps_the_frame_of_the_whole() -> None:
    whole = go.Figure([go.Heatmap(z=[[1, 9]], zmin=0, zmax=9)], layout={"height": 500, "xaxis": {"range": [0, 2]}})
    part = go.Figure([go.Heatmap(z=[[1, None]], zmin=0, zmax=1)], layout={"height": 100, "xaxis": {"range": [0, 1]}})
    kept = keep(part, frame_of(whole))
    assert (kept.layout.height, kept.layout.xaxis.range, kept.data[0].zmax) == (500, (0, 2), 9)
