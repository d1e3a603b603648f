"""The drawing of the network on the pages Run and Masks. No browser."""

from __future__ import annotations

import json
from typing import Any

import fake_masks
import fake_runs
import numpy as np
import pandas as pd
import pytest
from test_pages import no_warm_up, opened, store, words

from appcore.analysis import forgetting as analysis
from appcore.charts.mistakes import confusion, forgetting
from appcore.service import manager
from appcore.storage import run_result
from appcore.storage.store import Store

__all__ = ["no_warm_up", "store"]  # fixtures


def drawing(app: Any) -> dict[str, Any]:
    """What the browser gets to draw."""
    found = [json.loads(item.proto.json) for item in app.get("bidi_component")]
    return next(data for data in found if "arcs" in data)


def test_the_run_page_draws_the_network_with_what_is_left_of_each_layer(store: Store) -> None:
    run_id = fake_runs.write(store, pruner="snip")
    data = drawing(opened("run", run=run_id))
    boxes = [row for row in data["rows"] if row["box"]]
    assert len(boxes) == 20 and len(data["arcs"]) == 9
    kept = store.layers(run_id).groupby("layer")["kept"].last()
    stem = boxes[0]
    assert stem["name"] == "conv1.weight" and stem["kept"] == kept["conv1.weight"] / 432
    assert boxes[-1]["label"] == "fc" and boxes[-1]["kept"] is None and boxes[-1]["text"] == "not pruned"
    assert data["alt"].startswith("The network from its images to its classes: 20 layers; ")


def test_a_run_of_an_earlier_version_says_that_it_is_drawn_as_a_chain(store: Store) -> None:
    run_id = fake_runs.write(store)
    store.update(run_id, started={name: value for name, value in store.get(run_id)["started"].items() if name != "graph"})
    app = opened("run", run=run_id)
    assert drawing(app)["arcs"] == []
    assert "did not record how layers are connected" in words(app)


def test_a_run_that_has_not_begun_has_no_drawing(store: Store) -> None:
    app = opened("run", run=fake_runs.write(store, until=0, status="queued"))
    assert "The network" not in words(app) or drawing(app)


def test_masks_draws_the_chosen_snapshot_and_the_picked_layer(store: Store) -> None:
    run_id = fake_masks.write(store, pruner="snip", megabatches=3)
    app = opened("masks", run=run_id, at="0")
    first = drawing(app)
    app = opened("masks", run=run_id)
    last = drawing(app)
    assert [row["name"] for row in first["rows"] if row["box"]] == [row["name"] for row in last["rows"] if row["box"]]
    assert first["rows"] != last["rows"]
    app.selectbox(key="layer").set_value("conv1").run()
    assert [row["name"] for row in drawing(app)["rows"] if row.get("chosen")] == ["conv1.weight"]


def html(app: Any) -> str:
    return "\n".join(str(item.proto.body) for item in app.get("html"))


def test_images_that_became_wrong_are_counted_and_marked(store: Store) -> None:
    running = fake_runs.keep_alive(store, fake_runs.write(store, until=1, status="running"))  # right after the first cut
    app = opened("run", run=running)
    assert "Right after the cut of megabatch 1 **6 of 12** are right; before the cut of megabatch 1 it was 9. **3 became wrong.**" in words(
        app
    )
    assert html(app).count("became wrong") == 3
    app = opened("run", run=fake_runs.write(store))
    assert "At the end of megabatch 8 **10 of 12** are right" in words(app)


def test_a_run_that_recorded_no_images_says_so(store: Store) -> None:
    run_id = fake_runs.write(store)
    with store._database.write() as connection:
        for table in ("prunes", "megabatches"):
            connection.exec_driver_sql(f"UPDATE {table} SET facts = NULL")
    assert "did not record what it said of single images" in words(opened("run", run=run_id))
    app = opened("stream", view="runs", runs=run_id)
    assert "Not recorded by the version that made" in words(app)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the manager says when it is asked for a look."""
    pairs = [[0, 0, 8], [0, 1, 2], [1, 1, 10]]
    weights = np.ones((4, 1, 3, 3), np.float32)
    answer = {"cursor": 104, "pairs": pairs, "classes": ["zero", "one"], "first": {"name": "conv1.weight", "weights": weights}}
    answer |= {"places": [3, 4], "labels": [0, 1], "answers": [[0, 0.9], [0, 0.6]], "pictures": [np.zeros((8, 8, 1), np.uint8)] * 12}
    found = {"state": "ready", "weights": True, "key": "k", "answer": answer}
    monkeypatch.setattr(manager.Manager, "look", lambda self, run_id, cursor=None: found)
    return found


def test_pictures_and_mistakes_come_when_they_are_asked_for(store: Store, look: dict[str, Any]) -> None:
    app = opened("run", run=fake_runs.write(store))
    assert "<img" not in html(app)
    app.button(key="look").click().run()
    assert html(app).count("<img") == 12
    assert "2 of 20 test images are wrong; most often zero for one (2)" in words(app)
    assert not app.exception


def test_a_run_without_weights_here_says_so(store: Store, look: dict[str, Any]) -> None:
    look["weights"] = False
    app = opened("run", run=fake_runs.write(store))
    app.button(key="look").click().run()
    assert "No weights of this run are on this machine" in words(app)


def test_the_stream_page_draws_what_was_forgotten(store: Store) -> None:
    app = opened("stream", view="runs", runs=fake_runs.write(store, megabatches=3))
    assert "95.0\u00a0% were right when just learnt, and 89.0\u00a0% at the end of megabatch 3: 6.0 points less." in words(app)


@pytest.mark.thorough
def test_where_classes_come_one_after_another_it_draws_each_and_measures_what_was_forgotten(store: Store) -> None:
    run_id = fake_runs.write(store, megabatches=5, classes_per_megabatch=2, class_order="9,8,7,6,5,4,3,2,1,0")
    app = opened("stream", view="runs", runs=run_id)
    assert "95.0\u00a0% were right when just learnt, and 35.0\u00a0% at the end of megabatch 5: 60.0 points less." in words(app)
    assert "Average forgetting +37.5 points, backward transfer -37.5 points over the earlier megabatches." in words(app)
    found = analysis.on_classes(store.megabatches([run_id]), run_id)
    cells = forgetting.by_class(found, "run").data[0]
    assert cells.y[:3] == ("9 (1)", "8 (1)", "7 (2)") and cells.z[0].tolist() == [95, 80, 65, 50, 35] and cells.z[2].tolist()[:2] == [0, 95]
    assert (
        "test images of the classes of each megabatch"
        in forgetting.forgetting(found.iloc[:0], "run", tested=True).layout.title.subtitle.text
    )
    assert "Of the test images of classes that have come by then 65.0\u00a0% are right." in words(opened("run", run=run_id))
    known = run_result.result(store, run_id)["forgetting"]
    assert known["average_forgetting"] == pytest.approx(0.375) and known["classes"]["9"] == [0.95, 0.8, 0.65, 0.5, 0.35]
    assert run_result.result(store, run_id)["megabatches"][0]["seen_accuracy"] == 0.95


def test_confusion_is_in_shares_of_the_class_and_forgetting_a_staircase() -> None:
    figure = confusion.confusion(np.array([[8, 2], [0, 10]]), ["zero", "one"])
    assert figure.data[0].z.tolist() == [[80, 20], [0, 100]]
    assert "18 of 20 test images" in figure.layout.title.subtitle.text
    found = {"part": [0, 0, 1], "megabatch": [0, 1, 1], "accuracy": [1.0, 0.5, 0.75], "images": [4, 4, 4]}
    cells = forgetting.forgetting(pd.DataFrame(found), "run").data[0]
    assert np.array_equal(cells.z, [[100, 50], [np.nan, 75]], equal_nan=True)


def test_filters_are_grey_where_weights_are_0_and_each_is_scaled_by_its_largest() -> None:
    weights = np.array([[[[1.0, 0.0]]], [[[-0.5, 0.25]]]], np.float32)
    pictures = confusion._pictures(weights)
    assert pictures[:, 0, :, 0].tolist() == [[255, 128], [0, 191]]
