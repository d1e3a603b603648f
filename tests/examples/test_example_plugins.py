"""The plug-ins in examples/: they appear where they should, keep their contracts, and one run uses them all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import appcore
from appcore import plugins

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"
NAMES = {"pruners": "fisher", "methods": "late", "datasets": "stripes", "models": "tiny-conv", "schedules": "linear"}
RUN = ["--pruner", "fisher", "--method", "late", "--dataset", "stripes", "--arch", "tiny-conv", "--schedule", "linear"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package that holds the examples as well."""
    folder = tmp_path_factory.mktemp("with-examples")
    shutil.copytree(Path(appcore.__file__).parent, folder / "appcore", ignore=shutil.ignore_patterns("__pycache__"))
    for kind in NAMES:
        for path in (EXAMPLES / kind).glob("*.py"):
            shutil.copy(path, folder / "appcore" / kind)
    return folder


def python(place: Path, *arguments: str) -> str:
    """What a program prints there."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=place, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": ""}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_one_of_each_kind_that_reads_the_contract_folder_by_folder() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(plugins.KINDS) == set(NAMES)


def test_they_appear_and_no_torch_is_needed_to_see_them(place: Path) -> None:
    code = "import json, sys; from appcore import plugins\n"
    code += "print(json.dumps({kind: list(plugins.choices(kind)) for kind in plugins.KINDS})); assert 'torch' not in sys.modules"
    found = json.loads(python(place, "-c", code))
    assert all(name in found[kind] for kind, name in NAMES.items())


def test_one_run_uses_them_all_and_learns(place: Path) -> None:
    sizes = ["--megabatches", "4", "--epochs", "2", "--tau", "6", "--option", "dense_share=0.5", "--device", "cpu"]
    found = json.loads(python(place, "-m", "appcore", "run", *RUN, *sizes, "--json"))
    assert found["status"] == "done"
    assert [row["density_mask"] for row in found["megabatches"]] == pytest.approx([1, 1, 0.8**6, 0.8**6], abs=1e-3)
    assert found["megabatches"][-1]["test_accuracy"] > 0.5  # chance is a sixth


def test_the_network_takes_every_shape_and_the_data_set_keeps_what_it_describes(place: Path) -> None:
    code = "from appcore import RunConfig, plugins; from appcore.models import base\n"
    code += "for shape in [(3, 64, 64), (1, 8, 8), (1, 3, 5)]: base.skeleton('tiny-conv', shape, 7)\n"
    code += "config = RunConfig(dataset='stripes', schedule='linear', tau=3.0, megabatches=3); data = plugins.load('datasets', 'stripes')\n"
    code += "about, images = data.describe(config), data.load(config)\n"
    code += "assert about.shape == images.train_x.shape[1:] and about.classes == images.classes\n"
    code += "assert (about.train_images, about.test_images) == (len(images.train_x), len(images.test_x))\n"
    code += "asked = plugins.load('schedules', 'linear').densities(config)\n"
    code += "assert len(asked) == 3 and abs(asked[0] - 0.8) < 1e-12 and abs(asked[-1] - 0.8**3) < 1e-12 and asked[0] > asked[1] > asked[2]"
    python(place, "-c", code)
