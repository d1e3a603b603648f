"""The Masks page: its figures, its sentences, and each of its states. No browser."""

from __future__ import annotations

from functools import cache

import fake_masks
import fake_runs
import numpy as np
import pandas as pd
import pytest
from test_pages import no_warm_up, opened, store, words

from appcore import paths
from appcore.analysis.mask_history import BORN, DIED, GONE, KEPT
from appcore.charts.masks import mask_history, mask_one_layer, mask_words
from appcore.charts.masks import mask_layers as layer_charts
from appcore.charts.run_styles import Look
from appcore.storage.store import Store

__all__ = ["no_warm_up", "store"]  # fixtures
CHANGES = pd.DataFrame({"layer": ["a.weight", "b.weight"], "total": [10, 100], "kept": [0, 50], "born": [0, 5], "died": [2, 20]})
LOOK = Look("SNIP", "#0072B2", "solid", "circle")


@cache
def every_figure() -> dict:
    counts = CHANGES.assign(alive=[0, 40])
    square = np.array([[1.0, 0.5], [0.5, 1.0]])
    return {
        "strips": layer_charts.filter_strips(["a.weight", "b.weight"], np.array([[1, 0.5, 0], [1, 1, 0.2]]), [1, 0], [3, 8], revision="r"),
        "moves": layer_charts.moves(CHANGES, "the start", revision="r"),
        "alive": layer_charts.alive(counts, revision="r"),
        "survival": mask_history.survival(
            [mask_history.Survival(LOOK, ["1", "2"], square[0], square, ["a", "b"])], "the start", revision="r"
        ),
        "overlap": mask_history.overlap(square, ["1", "2"], ["1", "2"], (0, 1), by_chance=False, revision="r"),
        "by layer": mask_history.overlap_by_layer(["a"], np.array([0.5]), np.array([0.2]), ("SNIP", "Magnitude"), revision="r"),
        "filters": mask_one_layer.filters_over_time("a", square, ["1", "2"], 1, revision="r"),
        "kernels": mask_one_layer.kernels("a", np.full((4, 4, 3, 3), KEPT, np.uint8), range(4), range(4), revision="r"),
    }


@pytest.mark.parametrize("name", list(every_figure()))
def test_every_figure_asks_a_question_and_names_its_axes(name: str) -> None:
    figure = every_figure()[name]
    assert figure.layout.title.text.endswith("?")
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
    assert figure.layout.uirevision.startswith("r")
    assert len(figure.to_json()) < 20_000


def test_what_went_lies_left_and_what_came_back_right_in_percent_of_the_layer() -> None:
    went, back = layer_charts.moves(CHANGES, "the start").data
    assert list(went.x) == [-20, -20]
    assert list(back.x) == [0, 5]


def test_empty_filters_are_marked_and_counted() -> None:
    figure = every_figure()["strips"]
    assert list(figure.data[0].z[0]) == [100, 50, 0]
    assert list(figure.data[1].y) == [0]
    assert "1 of 3 empty" in figure.layout.annotations[0].text


def test_kernels_show_what_became_of_each_weight() -> None:
    fates = np.array([KEPT, BORN, DIED, GONE], np.uint8).reshape(2, 2, 1, 1)
    figure = mask_one_layer.kernels("a", fates, range(2), range(2))
    assert figure.data[0].z.tolist() == [[KEPT, BORN], [DIED, GONE]]
    assert [trace.name for trace in figure.data[1:]] == ["kept: 1", "came back: 1", "just removed: 1", "removed earlier: 1"]


def test_a_cell_of_a_kernel_rounds_to_its_filter_and_input() -> None:
    fates = np.zeros((40, 30, 3, 3), np.uint8)
    heat = mask_one_layer.kernels("a", fates, range(32, 40), range(10, 14)).data[0]
    assert sorted({round(float(x)) for x in heat.x[:3]}) == [10]
    assert [round(float(x)) for x in heat.x[4:7]] == [11] * 3
    assert round(float(heat.y[-1])) == 39
    assert heat.z.shape == (31, 15)


def test_a_stem_with_few_inputs_is_drawn_lying() -> None:
    figure = mask_one_layer.kernels("conv1", np.zeros((16, 3, 3, 3), np.uint8), range(16), range(3))
    assert figure.data[0].z.shape == (11, 63)
    assert figure.layout.xaxis.title.text == "filter (index)"


def test_sentences() -> None:
    assert mask_words.headline(CHANGES) == "54.5\u00a0% of the weights are removed: 22 went, 5 came back"
    found = mask_words.collapse(CHANGES, {"a.weight": (3, 3), "b.weight": (2, 8)}, {"a.weight": 0, "b.weight": 40}, {"b.weight": 3})
    assert found[0].startswith("**Nothing is left in a.**")
    assert found[1:] == [
        "Empty filters: 2 of 8 in b.",
        "Kept but dead, on no path from input to output: 10 in b.",
        "Filters without a living weight: 3 in b.",
    ]
    assert mask_words.collapse(CHANGES.assign(kept=50), {}, {}, {}) == ["No layer and no filter is empty."]
    assert "2.0 times the random baseline" in mask_words.alike(0.6, 0.3, "A", "B")
    assert "about as much as the random baseline" in mask_words.alike(0.31, 0.3, "A", "B")
    assert "less than the random baseline" in mask_words.alike(0.1, 0.3, "A", "B")


def test_an_empty_store() -> None:
    assert "There are no masks yet" in words(opened("masks"))


@pytest.mark.thorough
def test_a_finished_run_is_scrubbed(store: Store) -> None:
    run_id = fake_masks.write(store)
    app = opened("masks", run=run_id)
    assert "The start of megabatch 8" in words(app)  # the newest, unless the address says otherwise
    assert "1 of 8 in conv1" in words(app)
    app = opened("masks", run=run_id, point="2")  # as links of before playback
    assert "The start of megabatch 2" in words(app)
    assert "none came back" in words(app)
    app.selectbox(key="layer").select("conv2").run()
    assert not app.exception


def test_births_are_told(store: Store) -> None:
    app = opened("masks", run=fake_masks.write(store, regrown=True), point="2")
    assert "came back" in words(app) and "none came back" not in words(app)


def test_two_runs_are_compared_with_the_random_baseline(store: Store) -> None:
    one, two = fake_masks.write(store), fake_masks.write(store, pruner="magnitude")
    app = opened("masks", run=one, against=two)
    assert "Between the two runs" in words(app)
    assert "(random baseline: " in words(app)
    assert not app.exception


@pytest.mark.thorough
def test_a_second_run_of_another_network_is_told(store: Store) -> None:
    one, two = fake_masks.write(store), fake_runs.write(store, title="no masks")
    assert "not on this machine" in words(opened("masks", run=one, against=two))


def test_dense_queued_failed_and_foreign_runs_say_why_there_is_nothing(store: Store) -> None:
    assert "keeps every weight" in words(opened("masks", run=fake_runs.write(store, method="dense")))
    queued = fake_runs.keep_alive(store, fake_runs.write(store, until=0, status="queued"))
    assert "No prune point yet" in words(opened("masks", run=queued))
    failed = fake_runs.write(store, until=0, status="failed")
    assert "before its first prune point" in words(opened("masks", run=failed))
    assert "not on this machine" in words(opened("masks", run=fake_runs.write(store)))


@pytest.mark.thorough
def test_a_run_that_goes_on_is_followed(store: Store) -> None:
    run_id = fake_runs.keep_alive(store, fake_masks.write(store, until=40, status="running"))
    app = opened("masks", run=run_id)
    assert app.slider(key="point").disabled
    assert app.slider(key="point").value == app.slider(key="point").max
    app.toggle(key="follow_masks").set_value(False).run()
    app.slider(key="point").set_value(1).run()
    assert "The start of megabatch 1" in words(app)


def test_a_failed_run_with_masks_can_be_looked_at(store: Store) -> None:
    app = opened("masks", run=fake_masks.write(store, until=40, status="failed"))
    assert "of the weights are removed" in words(app)


def test_a_damaged_mask_and_a_missing_run_are_told_in_one_line(store: Store) -> None:
    run_id = fake_masks.write(store)
    folder = paths.masks(paths.run_folder(store.folder, run_id), 0).parent
    max(folder.iterdir()).write_bytes(b"nonsense")
    assert "cannot be read" in opened("masks", run=run_id).error[0].value
    assert "Not in this store: 20990101-000000-abcd" in words(opened("masks", run="20990101-000000-abcd"))


@pytest.mark.thorough
def test_masks_that_hinge_on_rounding_are_not_laid_upon_others(store: Store) -> None:
    one, two = fake_masks.write(store, pruner="force"), fake_masks.write(store)
    for pair in ({"run": one}, {"run": one, "against": two}, {"run": two, "against": one}):
        app = opened("masks", **pair)
        assert words(app).count("hinges on rounding") == 1 and "(random baseline: " not in words(app)
        assert not app.exception
    assert "hinges on rounding" not in words(opened("masks", run=two))
