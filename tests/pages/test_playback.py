"""Pages at a moment of the address: numbers, sentences and figures as they were then, and the end where nothing is asked. No browser."""

from __future__ import annotations

import json
from typing import Any

import fake_masks
import fake_runs
import pytest
from test_pages import no_warm_up, opened, store, words

from appcore.storage.store import Store

__all__ = ["no_warm_up", "store"]  # fixtures
SHORT: dict[str, Any] = {"megabatches": 4, "epochs": 3}  # 4 x (cut, three epochs): 17 moments with the start


def number(app: Any, label: str) -> str:
    return next(one.value for one in app.metric if one.label.startswith(label))


def drawn(app: Any, key: str) -> Any:
    """The figure of a chart as it is sent."""
    return json.loads(app.session_state["_figures"][key][1])


@pytest.mark.parametrize(
    ("at", "tested", "is_whole"),
    [("50", "after megabatch 2", False), ("12.5", "Nothing is tested yet", False), ("0", "Nothing is tested yet", False)]
    + [(asked, "after megabatch 4", True) for asked in ("100", "250", "nan", "soon", "")],
)
def test_a_run_is_shown_as_it_was(at: str, tested: str, is_whole: bool, store: Store) -> None:
    run_id = fake_runs.write(store, **SHORT)
    app = opened("run", run=run_id, at=at)
    assert tested in words(app)
    assert ("as they were at this moment" in words(app)) is not is_whole
    assert ("every number below is final" in words(app)) is is_whole
    assert ("What next?" in words(app)) is is_whole  # it speaks of the end


def test_figures_of_a_moment_keep_the_axes_of_the_whole(store: Store) -> None:
    run_id = fake_runs.write(store, **SHORT)
    whole, start = (opened("run", run=run_id, at=at) for at in ("100", "0"))
    for key in ("layers-map-chart", "staircase-chart", "truth-meter-chart"):
        one, other = (drawn(app, key)["layout"] for app in (whole, start))
        for axis in ("xaxis", "yaxis"):
            assert one[axis].get("range") == other[axis].get("range"), key
            assert one[axis].get("ticktext") == other[axis].get("ticktext"), key
    assert drawn(whole, "accuracy-chart") == drawn(start, "accuracy-chart")  # the browser cuts it
    assert number(start, "Sparsity") == "–" and number(whole, "Sparsity") != "–"


@pytest.mark.thorough
def test_a_link_of_before_leads_to_the_end_of_its_megabatch(store: Store) -> None:
    run_id = fake_runs.write(store, **SHORT)
    assert "after megabatch 2" in words(opened("run", run=run_id, moment="2"))
    pair = [run_id, fake_runs.write(store, pruner="magnitude", **SHORT)]
    assert "after megabatch 3 of 4" in words(opened("compare", runs=",".join(pair), megabatch="3"))


@pytest.mark.thorough
def test_two_runs_are_compared_at_the_same_place_of_the_stream(store: Store) -> None:
    pair = [fake_runs.write(store, pruner=pruner, **SHORT) for pruner in ("snip", "magnitude")]
    app = opened("compare", runs=",".join(pair), at="50")
    assert "after megabatch 2 of 4" in words(app) and "so far" in words(app)
    assert "at megabatch 2" in drawn(app, "mirrored")["layout"]["title"]["text"]
    assert "Nothing is tested yet" in words(opened("compare", runs=",".join(pair), at="0"))


@pytest.mark.thorough
def test_a_run_that_ended_early_does_not_hold_up_the_layers_of_the_others(store: Store) -> None:
    runs = [fake_runs.write(store, pruner=pruner, **SHORT) for pruner in ("snip", "magnitude")]
    runs.append(fake_runs.write(store, pruner="random", until=6, status="stopped", **SHORT))
    app = opened("compare", runs=",".join(runs), at="75")
    assert "at megabatch 3" in drawn(app, "mirrored")["layout"]["title"]["text"]


@pytest.mark.thorough
def test_masks_are_shown_at_the_last_cut_before_the_moment(store: Store) -> None:
    run_id = fake_masks.write(store, **SHORT)
    for at, said in (("0", "The start of megabatch 1"), ("50", "The start of megabatch 2"), ("56.25", "The start of megabatch 3")):
        assert said in words(opened("masks", run=run_id, at=at)), at


def test_a_run_that_trains_has_no_playback(store: Store) -> None:
    run_id = fake_runs.keep_alive(store, fake_runs.write(store, until=12, status="running", **SHORT))
    app = opened("run", run=run_id, at="0")
    assert "as they were at this moment" not in words(app)
    assert app.toggle(key="live").value
    assert number(app, "Sparsity") != "–"
