"""The house: each folder of appcore stands on a floor and imports what lies below it. One page's folder knows no other page's."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import appcore

ROOT = Path(appcore.__file__).parent
# From the ground up. Folders on one floor do not import each other; the modules that lie in appcore itself are the ground.
FLOORS = """
.
pruners models schedules untrusted recordings trackers
masks datasets
methods
planning
analysis
lessons
storage engine charts
runner
transfer
service
bench
checks testing api
cli ui/words
ui/app
ui/widgets
ui/settings ui/classroom ui/questions ui/playground
ui/run ui/compare ui/masks ui/what_if ui/stream ui/ablations ui/runs ui/machines ui/export ui/lessons ui/home
"""
FLOOR = {folder: floor for floor, line in enumerate(FLOORS.split("\n")[1:-1]) for folder in line.split()}
ENTRIES = {"__main__"}  # in appcore itself, and above everything: it starts the command line
MOST_MODULES = 20


def module_of(path: Path) -> str:
    """The dotted name within appcore; "" for the package itself."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")


@cache
def paths() -> dict[str, Path]:
    return {module_of(path): path for path in ROOT.rglob("*.py")}


@cache
def imports() -> dict[str, set[str]]:
    """For each module the modules of appcore that it imports, wherever in the file."""
    return {name: _imports(path) - {name} for name, path in paths().items()}


def _imports(path: Path) -> set[str]:
    package, found = path.relative_to(ROOT).parts[:-1], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = (node.module or "").split(".") if node.module else []
        if node.level:
            base = [*package[: len(package) - node.level + 1], *base]
        elif base[0] == "appcore":
            base = base[1:]
        else:
            continue
        for alias in node.names:
            whole = ".".join([*base, alias.name])
            found.add(whole if whole in paths() else ".".join(base))
    return found


def folder_of(module: str) -> str:
    """The folder with a floor that a module lies in: its own or the nearest above."""
    parts = module.split(".")
    folders = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((folder for folder in folders if folder in FLOOR and (ROOT / folder).is_dir()), ".")


def test_every_folder_has_a_floor() -> None:
    folders = {path.parent.relative_to(ROOT).as_posix() for path in paths().values()}
    assert {folder for folder in folders if folder_of(folder.replace("/", ".")) == "."} <= {".", "ui"}
    assert all((ROOT / folder).is_dir() for folder in FLOOR)


@pytest.mark.thorough
def test_imports_go_down() -> None:
    upward = {
        f"{name} -> {other}"
        for name, others in imports().items()
        for other in others - {""}  # the package itself: what it offers everybody may use
        if name.split(".")[0] not in {"", *ENTRIES}
        and folder_of(name) != folder_of(other)
        and FLOOR[folder_of(other)] >= FLOOR[folder_of(name)]
    }
    assert not upward


@pytest.mark.thorough
def test_a_page_knows_no_other_page() -> None:
    pages = {folder for folder in FLOOR if FLOOR[folder] == max(FLOOR.values())}
    found = [(name, other) for name, others in imports().items() for other in others if {folder_of(name), folder_of(other)} <= pages]
    assert not [(name, other) for name, other in found if folder_of(name) != folder_of(other)]


def test_no_circles() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for other in imports()[name] - {""}:
                visit(other, (*way, name))
            done.add(name)

    for name in imports():
        if name:
            visit(name, ())


def test_no_level_is_crowded() -> None:
    levels = {folder: sum(path.name != "__init__.py" for path in folder.glob("*.py")) for folder in {p.parent for p in paths().values()}}
    assert {str(folder): count for folder, count in levels.items() if count > MOST_MODULES} == {}


@pytest.mark.thorough
def test_forms_words_and_figures_load_no_torch() -> None:
    light = ("planning", "analysis", "lessons", "storage", "charts", "ui", "service")
    names = [name for name in paths() if name and (name.split(".")[0] in light or folder_of(name) == ".") and name not in ENTRIES]
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module('appcore.' + name)\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, check=False, capture_output=True).returncode == 0


def test_public_names() -> None:
    known = [
        "Frames",
        "InputError",
        "RunConfig",
        "figure",
        "figures",
        "frames",
        "load",
        "prune",
        "run",
        "runs",
        "shrink",
        "train",
        "what_if",
    ]
    assert sorted(appcore.__all__) == known
    assert all(hasattr(appcore, name) for name in appcore.__all__)
