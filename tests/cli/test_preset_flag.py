"""--preset on the command line: presets of the program, and those that somebody saved on the form."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from appcore.cli import flags
from appcore.cli.main import main
from appcore.errors import InputError
from appcore.models import own_code
from appcore.planning import address
from appcore.presets import PRESETS
from appcore.storage.store import Store


def read(*given: str) -> dict[str, Any]:
    """The settings of a command."""
    parser = argparse.ArgumentParser()
    flags.add(parser)
    return flags.settings(parser.parse_args(given))


def test_a_saved_preset_means_what_it_means_on_the_form() -> None:
    settings = {"arch": "mlp", "method": "imp", "megabatches": 1, "tau": 7.0, "lr_drops": (), "flip": False}
    settings |= {"options": {"control": "reinit"}}
    Store().saved_presets.keep("late tickets", {name: [text] for name, text in address.written(settings).items()})
    assert read("--preset", "late tickets") == settings
    changed = read("--preset", "late tickets", "--seed", "3", "--option", "rate=0.3")
    assert changed == {**settings, "seed": "3", "options": {"control": "reinit", "rate": 0.3}}
    assert read("--preset", "quick") == dict(PRESETS["quick"].settings)


def test_a_sweep_begins_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    Store().saved_presets.keep("mine", {"arch": ["mlp"], "epochs": ["1"], "megabatches": ["2"]})
    assert main(["sweep", "--preset", "mine", "--seed", "0-1", "--dry-run", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2


def test_a_sparsity_is_another_way_to_say_tau() -> None:
    assert read("--sparsity", "0.6336") == {"tau": 4.5}
    assert read("--preset", "quick", "--sparsity", "0.9")["tau"] == pytest.approx(10.319, abs=1e-3)


def test_what_there_is_not_is_said_with_what_there_is() -> None:
    assert not Store().exists()
    with pytest.raises(InputError, match="unknown name 'fast'; choose one of quick"):
        read("--preset", "fast")
    assert not Store().exists(), "looking makes no store"
    Store().saved_presets.keep("mine", {})
    with pytest.raises(InputError, match="lifelong-bu, mine"):
        read("--preset", "fast")
    Store().of("ann").saved_presets.keep("hers", {})
    with pytest.raises(InputError, match="unknown name 'hers'"):
        read("--preset", "hers")


def test_a_setting_that_cannot_be_had_stops_the_command() -> None:
    Store().saved_presets.keep("old", {"pruner": ["gone"], "seed": ["1"]})
    with pytest.raises(InputError, match=r"preset 'old': .*unknown name 'gone'.*; save it anew on the page New run"):
        read("--preset", "old")


def test_code_that_a_preset_names_is_not_thereby_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody may have restored it from a backup of a stranger's."""
    (tmp_path / "net.py").write_text("def Net(num_classes, channels): ...")
    arch = f"file:{tmp_path}/net.py:Net"
    Store().saved_presets.keep("theirs", {"arch": [arch]})
    assert read("--preset", "theirs")["arch"] == arch
    assert main(["run", "--preset", "theirs"]) == 2
    assert "has not been allowed to run here" in capsys.readouterr().err
    own_code.check(read("--arch", arch)["arch"])  # typed it is
