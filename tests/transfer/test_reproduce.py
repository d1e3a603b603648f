"""What is copied from a run's page builds the very same configuration: its command through the real parser, its Python by running it."""

from __future__ import annotations

import argparse
import shlex

import pytest

from appcore import plugins
from appcore.cli import flags
from appcore.config import RunConfig
from appcore.presets import PRESETS
from appcore.transfer import reproduce

CASES = {
    **{name: preset.settings for name, preset in PRESETS.items()},
    **{f"method-{name}": {"method": name, "seed": 3} for name in plugins.choices("methods")},
    "plain": {},
    "hostile path": {"dataset": 'images:/tmp/it\'s a "folder"; $(date)'},
    "exempt": {"arch": "lenet5", "exempt": ["conv1"], "flip": True, "crop_padding": 2, "lr": 1e-05},
    "densities": {"arch": "lenet5", "densities": {"fc1": 0.1, "conv1": 1 / 3}},
    "options": {"pruner": "synflow", "options": {"rounds": 7}},
}


def parsed(command: str) -> RunConfig:
    parser = argparse.ArgumentParser()
    flags.add(parser)
    program, module, package, verb, *words = shlex.split(command)
    assert [program, module, package, verb] == ["python", "-m", "appcore", "run"]
    return RunConfig(**flags.settings(parser.parse_args(words)))


@pytest.mark.parametrize("name", CASES)
def test_command_and_python_build_the_same_configuration(name: str) -> None:
    config = RunConfig(**CASES[name])
    assert parsed(reproduce.command(config)) == config
    text = reproduce.python(config)
    found: dict[str, object] = {}
    exec(text.partition("for event")[0], found)
    assert found["config"] == config
    assert found["config"].fingerprint == config.fingerprint


def test_nothing_needless_is_written() -> None:
    assert reproduce.command(RunConfig()) == "python -m appcore run"
    assert reproduce.needed(RunConfig(seed=4, pruner="magnitude")) == {"pruner": "magnitude", "seed": 4}
