"""The drawing of the network on the pages Run and Masks. No browser."""

from __future__ import annotations

import json
from typing import Any

import fake_masks
import fake_runs
from test_pages import no_warm_up, opened, store, words

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
    app = opened("masks", run=run_id, point="1")
    first = drawing(app)
    app.slider(key="point").set_value(3).run()
    last = drawing(app)
    assert [row["name"] for row in first["rows"] if row["box"]] == [row["name"] for row in last["rows"] if row["box"]]
    assert first["rows"] != last["rows"]
    app.selectbox(key="layer").set_value("conv1").run()
    assert [row["name"] for row in drawing(app)["rows"] if row.get("chosen")] == ["conv1.weight"]
