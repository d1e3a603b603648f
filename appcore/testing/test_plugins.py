"""The tests for all plug-ins, including those of APPCORE_PLUGINS: `python -m pytest --pyargs appcore.testing.test_plugins`.

Left out: data sets of this package that are downloaded or lie elsewhere, the launcher ray, which takes a cluster, and choices that the user
completes (`images:PATH`).
"""

from __future__ import annotations

from pathlib import Path

from .. import plugins
from .launcher_suite import LauncherSuite
from .lesson_suite import LessonSuite
from .plugin_suites import DatasetSuite, MethodSuite, ModelSuite, PrunerSuite, ScheduleSuite

_PACKAGE = Path(__file__).parents[1]
_COMPLETE = {kind: [choice for choice in plugins.choices(kind).values() if not choice.takes_argument] for kind in plugins.KINDS}


class TestPruners(PrunerSuite):
    options = {choice.name: {"rounds": 3} for choice in _COMPLETE["pruners"] if "rounds" in choice.options}  # noqa: RUF012


class TestMethods(MethodSuite):
    options = {"imp": {"rewind_epoch": 1}, "rigl": {"updates_per_epoch": 2}, "cs": {"final_beta": 20.0}}  # noqa: RUF012


class TestDatasets(DatasetSuite):
    names = tuple(choice.name for choice in _COMPLETE["datasets"] if choice.name == "digits" or _PACKAGE not in choice.path.parents)


class TestModels(ModelSuite):
    names = tuple(choice.name for choice in _COMPLETE["models"])


class TestSchedules(ScheduleSuite):
    """Every schedule."""


class TestLaunchers(LauncherSuite):
    names = tuple(name for name in plugins.choices("launchers") if name != "ray")


class TestLessons(LessonSuite):
    """Every lesson."""


def test_no_plug_in_was_left_out() -> None:
    assert plugins.problems() == []
