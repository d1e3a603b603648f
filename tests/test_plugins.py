"""Plug-ins: one file is all that one takes, in the package or in a folder outside; what is wrong with a file is one line."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from appcore import plugin_files, plugin_styles, plugins
from appcore.cli.main import main
from appcore.config import build
from appcore.errors import InputError
from appcore.service.manager import Manager
from appcore.storage.store import Store

ROOT = Path(plugins.__file__).parents[1]
FILES = {
    "pruners/largest_last.py": '''
"""The opposite of magnitude."""
from .base import ScoringTask
from .magnitude import scores as magnitude
CHOICES = {"drop-largest": "Drop the largest (a joke)"}
OPTIONS = {"joke_strength": {"default": 1.0, "ge": 0.0, "le": 9.0, "help": "How funny"}}
def scores(task: ScoringTask):
    return {name: -task.options["joke_strength"] * score for name, score in magnitude(task).items()}
''',
    "methods/train_twice.py": '''
"""Dense, and says so."""
from collections.abc import Iterator
from .base import Segment, training
CHOICES = {"unpruned": "Unpruned: as dense"}
PRUNES = False
def segments(config) -> Iterator[Segment]:
    for megabatch in range(config.megabatches):
        yield from training(config, megabatch, 1.0)
''',
    "datasets/noise.py": '''
"""Two kinds of grey."""
import numpy as np
from .base import Description, Images
CHOICES = {"noise": "Noise, 8 x 8"}
RECIPE = {"noise": {"epochs": 2, "crop_padding": 0, "flip": False}}
def describe(config) -> Description:
    return Description(200, 40, (1, 8, 8), ("dark", "light"))
def load(config) -> Images:
    y = np.arange(240) % 2
    x = np.random.RandomState(0).randint(0, 128, (240, 1, 8, 8)) + 127 * y[:, None, None, None]
    return Images(x[:200].astype("uint8"), y[:200], x[200:].astype("uint8"), y[200:], ("dark", "light"))
''',
    "models/tiny.py": '''
"""One hidden layer."""
from collections import OrderedDict
from math import prod
from torch import nn
CHOICES = {"tiny-net": "Tiny net"}
def build(name, shape, classes):
    layers = OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(prod(shape), 16), relu=nn.ReLU(), fc2=nn.Linear(16, classes))
    return nn.Sequential(layers)
''',
    "schedules/straight.py": '''
"""Straight down."""
CHOICES = {"straight": "Straight down to 0.8 ** tau"}
def densities(config):
    final = 0.8 ** config.tau
    return tuple(1 + (final - 1) * (t + 1) / config.megabatches for t in range(config.megabatches))
''',
    "launchers/loud.py": '''
"""In this program, and says so."""
import sys
from ..lockstep import LocalJob
CHOICES = {"loud": "In this program, loudly"}
def start(store, run_ids, work):
    print("LOUD", *run_ids, file=sys.stderr)
    return LocalJob(store, run_ids, work)
''',
}
NAMES = {"pruners": "drop-largest", "methods": "unpruned", "datasets": "noise", "models": "tiny-net", "schedules": "straight"}
NAMES |= {"launchers": "loud"}
SMALL = ["--arch", "tiny-net", "--dataset", "noise", "--schedule", "straight", "--pruner", "drop-largest", "--megabatches", "2"]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip("\n"), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of the package, with one file of each kind."""
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(tmp_path / "mine"))
    return write(tmp_path / "mine", FILES)


def python(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    everything = {**os.environ, **environment, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=everything, capture_output=True, text=True, timeout=300, check=False)


# ---- one file each


def test_one_file_of_each_kind_is_in_every_menu(folder: Path) -> None:
    assert plugins.problems() == []
    assert all(name in plugins.choices(kind) for kind, name in NAMES.items())
    assert all(callable(getattr(plugins.load(kind, name), offer)) for kind, name in NAMES.items() for offer in plugins._OFFERS[kind])
    config = build({"dataset": "noise", "method": "app", "options": {"joke_strength": 2.0}, "pruner": "drop-largest"})
    assert (config.epochs, config.option("pruner", "joke_strength")) == (2, 2.0)
    assert (plugins.prunes("unpruned"), plugins.method_and_pruner("unpruned", "snip")) == (False, "unpruned")


def test_files_in_a_folder_are_in_the_menus_of_the_form_and_bad_ones_are_named_there(folder: Path) -> None:
    write(folder, {"pruners/bad_syntax.py": "def scores(:"})
    app = AppTest.from_string("from appcore.ui.settings import form\nform.show()\nform.launcher()", default_timeout=60).run()
    fields = {kind: kind.removesuffix("s") for kind in NAMES} | {"models": "arch"}
    for kind, name in NAMES.items():
        assert plugins.choices(kind)[name].title in app.selectbox(key=f"form_{fields[kind]}").options, kind
    assert any("bad_syntax.py was left out" in caption.value for caption in app.caption)


def test_files_in_a_folder_are_in_the_help(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in NAMES.values()) and "joke_strength=1.0" in text.replace("\n", "")


@pytest.mark.slow
def test_files_in_a_folder_run_in_a_worker_process(folder: Path) -> None:
    done = python("-m", "appcore", "run", *SMALL, "--launcher", "process", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["status"], result["config"]["pruner"]) == ("done", "drop-largest")


@pytest.mark.slow
def test_files_in_the_package_and_in_the_folder_beside_the_app_are_found_without_a_variable(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "appcore", copy / "appcore", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", copy)
    kinds = {"pruners/largest_last.py": "pruners", "models/tiny.py": "models", "launchers/loud.py": "runner/launchers"}
    for name, text in FILES.items():
        write(copy / "appcore" / kinds[name] if name in kinds else copy / "plugins" / Path(name).parent, {Path(name).name: text})
    done = python("-m", "appcore", "run", *SMALL, "--launcher", "loud", "--json", cwd=copy, APPCORE_PLUGINS="")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done" and "LOUD" in done.stderr


@pytest.mark.slow
def test_files_of_a_folder_pass_the_suites_and_a_bad_one_does_not(folder: Path) -> None:
    bad = FILES["pruners/largest_last.py"].replace("-task.options", "float('nan') * task.options").replace("drop-largest", "drop-nan")
    write(folder, {"pruners/bad_scores.py": bad})
    suite = ("-m", "pytest", "-q", "--pyargs", "appcore.testing.test_plugins", "-p", "no:cacheprovider", "-k")
    done = python(*suite, "(drop or noise or tiny-net or straight or unpruned) and not lenet5 and not resnet20")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert done.returncode == 1 and " passed" in done.stdout, done.stdout
    assert failed and all("drop-nan" in line for line in failed), done.stdout


# ---- what is wrong with a file


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("pruners/a.py", "def scores(:", "line 1"),
        ("pruners/a.py", "CHOICES = ['x']", "CHOICES must be {name: title}"),
        ("pruners/a.py", "CHOICES = {'Big Name': 'x'}", "small letters"),
        ("pruners/a.py", "CHOICES = dict(a='x')", "must be a literal"),
        ("pruners/a.py", "CHOICES = {'a': 'x'}\nOPTIONS = {'b': 3}", "OPTIONS must be"),
        ("pruners/a.py", "CHOICES = {'a': 'x'}\nLOOK = {'a': {'colour': 'red'}}", "#RRGGBB"),
        ("pruners/a.py", "CHOICES = {'snip': 'x'}", "offers 'snip' already"),
        ("pruners/snip.py", "CHOICES = {'other-snip': 'x'}", "has its name; rename it"),
        ("pruners/base.py", "CHOICES = {'a': 'x'}", "has its name; rename it"),
        ("methods/a.py", "CHOICES = {'a': 'x'}\nPRUNES = 'no'", "PRUNES must be True or False"),
        ("pruner/a.py", "CHOICES = {'a': 'x'}", "is not looked at: plug-ins lie in the sub-folders"),
        ("a.py", "CHOICES = {'a': 'x'}", "is not looked at"),
        ("pruners/a.py", "(" * 10_000, "parenthes"),
        ("pruners/a.py", "\0", "null"),
        ("pruners/a.py", "x = '\udce9'", "unicode"),
    ],
)
def test_a_bad_file_is_named_in_one_line_and_left_out(folder: Path, name: str, text: str, says: str) -> None:
    known = {kind: set(plugins.choices(kind)) for kind in plugins.KINDS}
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    for cached in (plugins._read, plugins._misplaced):
        cached.cache_clear()  # as a program that starts now
    (problem,) = plugins.problems()
    assert says in problem and str(folder) in problem and "\n" not in problem
    assert {kind: set(plugins.choices(kind)) for kind in plugins.KINDS} == known


@pytest.mark.thorough
def test_a_file_that_cannot_be_imported_or_lacks_its_function_is_refused_when_it_is_chosen(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"methods/broken.py": "CHOICES = {'broken': 'x'}\n1 / 0", "methods/empty.py": "CHOICES = {'empty': 'x'}"})
    write(folder, {"launchers/gone.py": "CHOICES = {'gone': 'x'}\nimport nothing_of_that_name"})
    assert plugins.problems() == []
    with pytest.raises(InputError, match=r"broken.py cannot be imported \(ZeroDivisionError"):
        plugins.load("methods", "broken")
    with pytest.raises(InputError, match="has no function segments"):
        plugins.load("methods", "empty")
    manager = Manager(Store(tmp_path / "appcore.db"))
    with pytest.raises(InputError, match=r"gone.py cannot be imported"):
        manager.start([{}], launcher="gone")
    assert manager.runs() == [] and main(["run", *SMALL, "--method", "broken"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_is_not_there_is_named_and_nothing_else_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(plugins.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    assert plugins.problems() == [f"APPCORE_PLUGINS: there is no folder {tmp_path / 'nowhere'}; make it, or name another one"]
    assert "snip" in plugins.choices("pruners")
    assert main(["list", "--json"]) == 0
    out, err = capsys.readouterr()
    assert out == "[]\n" and err.startswith("warning: APPCORE_PLUGINS: there is no folder") and err.count("\n") == 1


# ---- looks


def test_every_plug_in_of_this_package_gives_its_own_look() -> None:
    for choice in plugins.choices("pruners").values():
        assert set(choice.literal("LOOK")) >= {"colour"}, choice.name
    for choice in plugins.choices("methods").values():
        needed = {"dash", "symbol"} | (set() if plugins.has_pruner(choice.name) else {"colour"})
        assert set(choice.literal("LOOK")) >= needed, choice.name
    everything = [choice for kind in plugins.KINDS for choice in plugins.choices(kind).values()]
    assert len({choice.short for choice in everything}) == len(everything)


def apart() -> None:
    """No two looks are the same: colours of pruners and of methods that have none, symbols of methods, and lines of methods."""
    colours, methods = list(plugin_styles.colours().values()), list(plugins.choices("methods"))
    assert len(set(colours)) == len(colours)
    assert len({plugin_styles.symbol(method) for method in methods}) == len(methods)
    assert len({(plugin_styles.colour(method, "snip"), plugin_styles.dash(method)) for method in methods}) == len(methods)


def test_no_two_looks_are_the_same_also_with_plug_ins_that_give_none(folder: Path) -> None:
    apart()
    before = plugin_styles.colours()
    write(folder, {f"pruners/p{number}.py": f"CHOICES = {{'p{number}': 'P {number}'}}" for number in range(8)})
    write(folder, {f"methods/m{number}.py": f"CHOICES = {{'m{number}': 'M {number}'}}\nPRUNES = {number > 1}" for number in range(8)})
    for cached in (plugins._read, plugin_styles._colours, plugin_styles._dashes, plugin_styles._symbols):
        cached.cache_clear()
    apart()
    assert before.items() >= {name: plugin_styles.colours()[name] for name in ("snip", "random", "dense", "cs")}.items()


def test_what_is_not_installed_here_still_has_a_look_and_a_name() -> None:
    assert plugin_styles.colour("gone", "gone too") in plugin_styles._SPARE
    assert plugin_styles.dash("gone") == "solid" and plugin_styles.symbol("gone") in plugin_files.SYMBOLS
    assert (plugins.prunes("gone"), plugins.method_and_pruner("gone", "snip"), plugins.short("pruners", "gone")) == (
        True,
        "gone snip",
        "gone",
    )


@pytest.mark.thorough
def test_no_rule_is_about_the_name_of_a_method_that_prunes_nothing() -> None:
    """`"dense"` also means formats and numbers of FLOPs; next to a method it is a rule that belongs into the method."""
    found = []
    for path in (ROOT / "appcore").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and "dense" in ast.unparse(node) and "method" in ast.unparse(node):
                found.append(f"{path.name}:{node.lineno}")
    assert not found
