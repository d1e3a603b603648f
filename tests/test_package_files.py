"""What `pip install .` brings: everything that the program reads, under a name that it finds it by, and the packages that it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import appcore
from appcore import installation

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def of_a_file(name: str) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    (found,) = folder.glob("*.whl")
    return zipfile.ZipFile(found)


def test_a_wheel_has_every_file_of_the_package_and_of_the_app(wheel: zipfile.ZipFile) -> None:
    outside = {"app.py", "static/icon.svg", ".streamlit/config.toml", *files_below(ROOT / "pages")}
    wanted = files_below(ROOT / "appcore") | {f"appcore/dashboard/{name}" for name in outside}
    assert sorted(wanted - set(wheel.namelist())) == []
    assert any(name.startswith("appcore/recordings/files/") for name in wanted) and "appcore/dashboard/pages/run.py" in wanted


def test_a_wheel_has_the_measurements_that_lessons_quote(wheel: zipfile.ZipFile) -> None:
    from appcore.service import lessons

    assert lessons.KEPT == installation.APP / "benchmarks"
    assert {f"appcore/dashboard/benchmarks/{name}" for name in (lessons._SPIRAL, lessons._BENCH)} <= set(wheel.namelist())


def test_a_wheel_has_nothing_beside_the_package(wheel: zipfile.ZipFile) -> None:
    """An installed `pages` or `app` would be a module of that name for every other program."""
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"appcore", f"pruning_lab-{appcore.__version__}.dist-info"}


def test_a_wheel_says_what_it_is_called_by(wheel: zipfile.ZipFile) -> None:
    (entries,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "pruning-lab = appcore.__main__:main" in wheel.read(entries).decode()
    defined = ast.parse((ROOT / "appcore" / "__main__.py").read_text(encoding="utf-8")).body
    assert "main" in {node.name for node in defined if isinstance(node, ast.FunctionDef)}


def test_requirements_are_what_pip_brings_with_the_server_gpus_svhn_and_tests() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [package for name in ("gpu", "server", "svhn", "dev") for package in extras[name]]
    assert of_a_file("requirements.txt") == {*PROJECT["project"]["dependencies"], *wanted}


def test_one_version_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(appcore.__version__)}$", citation, re.MULTILINE)
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert released[0] == appcore.__version__ and PROJECT["project"]["name"] == installation.DISTRIBUTION
