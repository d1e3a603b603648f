"""The Export page in each state of the store, its figures tested by eye, and a file made and downloaded through it."""

from __future__ import annotations

import time

import fake_models
import fake_runs
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import no_warm_up, opened, store, words

from appcore import markup
from appcore.charts import reality_check as figures
from appcore.service import manager, model_files
from appcore.storage.store import Store
from appcore.transfer import model_formats, reality_check, sparse_sizes
from appcore.ui.export import view

__all__ = ["no_warm_up", "store"]  # fixtures
TIME = {"batch": 1, "rounds": 50, "ratio": 1.0, "low": 0.98, "high": 1.02}
TIME |= {side: {"median": 0.002, "low": 0.0019, "high": 0.0022} for side in ("dense", "pruned")}
FOUND = {"density": 0.25, "bytes": dict(zip(sparse_sizes.WAYS, (4_000_000, 1_500_000, 1_400_000, 1_100_000, 1_050_000))), "latency": [TIME]}


def measured(**changes) -> dict:
    return {**FOUND, "latency": [{**TIME, **changes}, {**TIME, "batch": 64}]}


def test_every_figure_asks_a_question_and_names_its_axes() -> None:
    for figure in (figures.weights(FOUND["bytes"], sparse_sizes.WAYS, revision="r"), figures.latency(FOUND["latency"], revision="r")):
        assert figure.layout.title.text.endswith("?")
        assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
        assert figure.layout.uirevision == "r"
        assert len(figure.to_json()) < 20_000


def test_the_smallest_is_marked_in_words() -> None:
    bars = figures.weights(FOUND["bytes"], sparse_sizes.WAYS).data[0]
    assert [text.strip() for text in bars.text] == ["100 %", "38 %", "35 %", "28 %", "26 % · smallest"]
    assert list(bars.x) == [4.0, 1.5, 1.4, 1.1, 1.05]


def test_medians_in_milliseconds() -> None:
    dense, pruned = figures.latency(FOUND["latency"]).data
    assert list(dense.x) == [2.0] and list(pruned.error_x.array) == pytest.approx([0.2])


def test_the_verdict_is_plain() -> None:
    head, detail = figures.verdict(FOUND, 0.03)
    assert head.startswith("Nothing got faster: 75.0 %")
    assert "shrink to 26 %" in detail and "1.00 times as long (0.98 to 1.02)" in detail
    assert figures.verdict(measured(low=0.4, ratio=0.5, high=0.6), 0.03)[0].startswith("Faster for one image only")
    assert figures.verdict({**FOUND, "latency": [{**TIME, "high": 0.9, "ratio": 0.8}]}, 0.03)[0].startswith("Faster here")
    assert "some of it slower" in figures.verdict(measured(low=1.1, ratio=1.2, high=1.3), 0.03)[0]
    assert "too busy to say more" in figures.verdict(measured(low=0.6, high=1.9), 0.03)[0]
    assert "not pruned" in figures.verdict({**FOUND, "density": 1.0}, 0.03)[1]


def test_the_verdict_says_faster_where_the_shrunk_network_was() -> None:
    shrunk = {"ratio": 0.5, "low": 0.48, "high": 0.52, "time": {"median": 0.001, "low": 0.0009, "high": 0.0011}}
    found = {**FOUND, "latency": [{**TIME, "shrunk": shrunk}], "shrunk_bytes": 1_000_000}
    head, detail = figures.verdict(found, 0.03)
    assert head == "Faster once shrunk: 2.00 times as fast as dense for one image, with the same answers"
    assert "25 % are left in memory" in detail and "Shrunk versus dense: one image: 0.50 times as long (0.48 to 0.52)" in detail
    slow = {**found, "latency": [{**TIME, "shrunk": {**shrunk, "ratio": 1.0, "high": 1.1}}]}
    assert figures.verdict(slow, 0.03)[0].startswith("Nothing got faster")
    assert [trace.name for trace in figures.latency(found["latency"]).data] == ["no zeros", "pruned", "shrunk"]
    elsewhere = {**found["latency"][0], "runtime": "onnxruntime", "shrunk": {**shrunk, "ratio": 0.25, "high": 0.3}}
    both = {**found, "latency": [{**found["latency"][0], "runtime": "torch"}, elsewhere]}
    assert figures.verdict(both, 0.03)[0].startswith("Faster once shrunk: 4.00 times as fast as dense for one image in onnxruntime")
    assert list(figures.latency(both["latency"]).layout.yaxis.ticktext) == ["1", f"1{markup.BREAK}onnxruntime"]
    assert figures.weights(found["bytes"] | {"shrunk": 1_000_000}, sparse_sizes.WAYS | {"shrunk": figures.SHRUNK}).data[0].x[-1] == 1.0


def test_the_page_and_the_measurement_call_the_same_difference_one() -> None:
    assert view.NOTICEABLE == reality_check.NOTICEABLE
    assert set(view.ABOUT) == set(view.CODE) == set(model_formats.FORMATS)


def test_an_empty_store_and_a_run_that_is_not_there(store: Store) -> None:
    assert "no network to export yet" in words(opened("export"))
    fake_runs.write(store)
    assert "Not in this store: 20990101-000000-abcd" in words(opened("export", run="20990101-000000-abcd"))


def test_runs_without_a_checkpoint_say_why(store: Store) -> None:
    assert "not on this machine" in words(opened("export", run=fake_runs.write(store)))
    busy = fake_runs.keep_alive(store, fake_runs.write(store, until=3, status="running"))
    assert "No checkpoint yet" in words(opened("export", run=busy))
    assert "ended before its first checkpoint" in words(opened("export", run=fake_runs.write(store, until=1, status="failed")))


def test_a_failed_run_with_a_checkpoint_exports_that(store: Store) -> None:
    run_id = fake_models.write(store, until=40, status="failed")
    assert "its checkpoint after 40 of" in words(opened("export", run=run_id))


def test_a_file_is_made_and_offered(store: Store) -> None:
    run_id = fake_models.write(store)
    app = opened("export", run=run_id)
    assert "its final weights" in words(app)
    app.button(key="make-dense").click().run()
    finish(app, run_id, "dense")
    assert [item.proto.label.partition(" ·")[0] for item in app.get("download_button")] == ["Download"]
    assert "load_state_dict" in app.code[0].value


def test_the_shrunk_network_is_offered_where_filters_went(store: Store) -> None:
    there = {button.key for button in opened("export", run=fake_models.write(store, granularity="filter")).button}
    assert "make-shrunk" in there
    assert "make-shrunk" not in {button.key for button in opened("export", run=fake_models.write(store)).button}


def finish(app: AppTest, run_id: str, what: str) -> None:
    deadline = time.monotonic() + 60
    while manager.shared().exports.state(run_id)["jobs"][what]["status"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    app.run()
    assert not app.exception


@pytest.mark.thorough
def test_the_reality_check_on_the_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reality_check, "SECONDS", 0.1)
    run_id = fake_models.write(store)
    app = opened("export", run=run_id)
    app.button(key="measure").click().run()
    finish(app, run_id, "reality")
    text = words(app)
    assert "Can the files be trusted?" in text and "holds" in text
    assert len(app.get("download_button")) >= 3


def test_a_failure_is_told_and_can_be_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(model_files.model_formats, "write", broken)
    run_id = fake_models.write(store)
    app = opened("export", run=run_id)
    app.button(key="make-masks").click().run()
    finish(app, run_id, "masks")
    assert "the disk is full" in words(app)
    assert not app.button(key="make-masks").disabled


def test_without_onnx_the_reason_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_formats, "_is_installed", lambda package: False)
    app = opened("export", run=fake_models.write(store))
    assert "ONNX needs the package onnx" in words(app)
    assert "make-onnx" not in {button.key for button in app.button}
