"""The plug-ins in examples/: they load from their folder, pass the tests of their kinds, and one run uses them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appcore import plugins
from appcore.config import RunConfig
from appcore.testing.plugin_suites import DatasetSuite, MethodSuite, ModelSuite, PrunerSuite, ScheduleSuite

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "plugins"
NAMES = {"pruners": "fisher", "methods": "late", "datasets": "stripes", "models": "tiny-conv", "schedules": "linear"}
RUN = ["--pruner", "fisher", "--method", "late", "--dataset", "stripes", "--arch", "tiny-conv", "--schedule", "linear"]


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(EXAMPLES))


class TestFisher(PrunerSuite):
    names = ("fisher",)


class TestLate(MethodSuite):
    names = ("late",)


class TestStripes(DatasetSuite):
    names = ("stripes",)


class TestTinyConv(ModelSuite):
    names = ("tiny-conv",)


class TestLinear(ScheduleSuite):
    names = ("linear",)


def test_all_are_found_and_nothing_is_left_out() -> None:
    assert all(name in plugins.choices(kind) for kind, name in NAMES.items())
    assert plugins.problems() == []


def test_the_densities_of_linear_fall_by_the_same_amount() -> None:
    found = plugins.load("schedules", "linear").densities(RunConfig(schedule="linear", tau=3.0, megabatches=3))
    assert found == pytest.approx((0.8, (0.8 + 0.8**3) / 2, 0.8**3))


@pytest.mark.slow
def test_one_run_uses_them_all_and_learns() -> None:
    sizes = ["--megabatches", "4", "--epochs", "2", "--tau", "6", "--option", "dense_share=0.5", "--device", "cpu"]
    command = [sys.executable, "-m", "appcore", "run", *RUN, *sizes, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["density_mask"] for row in found["megabatches"]] == pytest.approx([1, 1, 0.8**6, 0.8**6], abs=1e-3)
    assert found["megabatches"][-1]["test_accuracy"] > 0.5  # chance is a sixth
