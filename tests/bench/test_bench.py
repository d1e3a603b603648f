"""The bench: rounds are interleaved, rows say what was measured and what was not, and the whole of it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from appcore.bench import machine, timing
from appcore.bench.timing import Row


def test_rounds_alternate_and_the_first_is_not_counted() -> None:
    order: list[str] = []
    times = timing.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, "cpu")
    assert order == ["a", "b"] * 4
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


def test_a_row_gives_median_and_range_or_says_that_nothing_was_measured() -> None:
    row = Row("step", "cpu", "x", values=[1.0, 3.0, 2.0, 9.0, 2.0])
    assert row.value == "2 x (1 to 9, n = 5)"
    assert row.plain()["median"] == 2.0 and row.plain()["quartiles"] == [2.0, 3.0]
    assert Row("step", "cuda", "x").value == "not measured"
    assert Row("step", "cuda", "x").plain()["median"] is None


def test_machine_names_no_host() -> None:
    about = timing.machine()
    assert set(about) == {"processor", "threads", "system", "gpu"}
    stem = timing.file_stem({"processor": "Some (R) CPU @ 2.0GHz", "threads": 2, "gpu": ""})
    assert stem == "some-r-cpu-2-0ghz-2-threads"


def test_a_masked_trainer_keeps_pruned_weights_at_zero() -> None:
    trainer = machine.Trainer("resnet20", 4, "cpu", is_masked=True)
    trainer.step()
    weights = dict(trainer.model.named_parameters())
    total = sum(mask.numel() for mask in trainer.chosen.values())
    assert sum(int(mask.sum()) for mask in trainer.chosen.values()) == round(machine.DENSITY * total)
    assert all((weights[name][~mask] == 0).all() for name, mask in trainer.chosen.items())
    assert machine.Trainer("resnet20", 4, "cpu", is_masked=False).pruned == []


@pytest.mark.thorough
def test_both_sides_train_on_the_same_images_under_the_same_masks() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "REAL_IMAGES", {})
        with machine.some_images(60) as (dataset, about):
            assert "synthetic" in about
            config = machine.RunConfig(dataset=dataset, arch="resnet20", megabatches=1, epochs=1, pruner="magnitude", limit_test=20)
            state = machine.RunState.create(config)
            count, seconds = next(machine._engine_epochs(state))
            model, masks, pictures = machine._baseline_inputs(state)
    assert (count, len(pictures)) == (54, 54) and seconds > 0
    assert masks is state.masks and state.density() < 1
    x, _ = pictures[0]
    assert tuple(x.shape) == (3, 32, 32) and torch.isfinite(x).all()
    assert not torch.equal(dict(model.named_parameters())["conv1.weight"], dict(state.model.named_parameters())["conv1.weight"])


@pytest.mark.slow
def test_a_tiny_bench_writes_numbers_and_a_table(tmp_path: Path) -> None:
    size = machine.Size(
        steps=2,
        prune_batch=2,
        prune_rounds=1,
        images={"resnet20": 130},
        rounds=1,
        whole=machine.whole_runs.Size(images={"resnet20": 80}, rounds=1, pair_images=40, runs=2, megabatches=10),
        doors=machine.front_doors.Size(images=80, rounds=1),
        large=200,
    )
    found = machine.measure(quick=True, folder=tmp_path, size=size)
    (numbers,), (table,) = tmp_path.glob("results-*-quick.json"), tmp_path.glob("results-*-quick.md")
    assert json.loads(numbers.read_text()) == found
    rows = {(row["what"].partition(",")[0], row["device"]): row for row in found["rows"]}
    assert rows["engine / published style", "cpu"]["median"] > 0
    assert rows["masked step / dense step", "cpu"]["median"] > 0
    assert rows["score + select + apply", "cpu"]["median"] > 0
    assert "| engine / published style, resnet20, batch 64 | cpu |" in table.read_text()
    if not torch.cuda.is_available():
        assert all(row["value"] == "not measured" for row in found["rows"] if row["device"] == "cuda")


@pytest.mark.thorough
def test_bench_help_says_how_long() -> None:
    done = subprocess.run([sys.executable, "-m", "appcore", "bench", "--help"], capture_output=True, text=True, check=True)
    assert "some minutes" in done.stdout
