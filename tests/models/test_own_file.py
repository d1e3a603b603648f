"""file:PATH.py:FUNCTION: naming a file runs nothing, only what was allowed here is run, and a run keeps the code that it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import appcore
from appcore import RunConfig, limits
from appcore.cli.main import main
from appcore.engine.digests import digest
from appcore.engine.loop import run as events_of
from appcore.engine.state import RunState
from appcore.errors import InputError, OverLimitError
from appcore.models import base, own_code
from appcore.planning.plan import plan
from appcore.service.manager import Manager
from appcore.storage.store import Store
from appcore.testing.plugin_suites import ModelSuite
from appcore.transfer.bundle_export import export

NET = """
from pathlib import Path
from torch import nn
import torch

Path({mark!r}).touch()

class Net(nn.Module):
    def __init__(self, channels, num_classes=10, width=4):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, width, 1, 1))
        self.register_buffer("steps", torch.linspace(0, 1, 3))
        layers = nn.Conv2d(channels, width, 3, padding=1), nn.PReLU(), nn.Dropout(0.5), nn.Conv2d(width, width, 3), nn.ReLU()
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))

    def forward(self, x):
        return self.head(self.body(x) + self.token)

def other(channels, classes):
    Path({mark!r} + ".other").touch()
    return Net(channels, classes)
"""
SMALL: dict[str, Any] = {"limit_train": 120, "limit_test": 30, "megabatches": 2, "epochs": 1, "device": "cpu", "tau": 3.0}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "net.py"
    found.write_text(NET.format(mark=str(tmp_path / "ran")))
    return found


def has_run(file: Path) -> bool:
    return file.with_name("ran").exists()


def named(file: Path, factory: str = "Net") -> str:
    return f"file:{file}:{factory}"


def test_it_keeps_the_contract_of_a_network(file: Path) -> None:
    arch = own_code.allow(named(file))
    for check in (ModelSuite.test_it_takes_images_on_the_meta_device, ModelSuite.test_the_seed_gives_the_network):
        check(ModelSuite(), arch)


def test_naming_or_allowing_it_runs_nothing(file: Path) -> None:
    config = RunConfig(arch=named(file), **SMALL)
    start = lambda: Manager().start([config.model_dump()])  # noqa: E731
    for ask in (lambda: base.skeleton(config.arch, (1, 8, 8), 10), lambda: RunState.create(config), start):
        with pytest.raises(InputError, match="has not been allowed to run here"):
            ask()
    arch = own_code.allow(config.arch)
    assert not has_run(file) and own_code.allow(arch) == arch
    base.skeleton(arch, (1, 8, 8), 10)
    assert has_run(file)


def test_what_its_own_modules_keep_comes_from_the_seed_and_dropout_is_gone(file: Path) -> None:
    arch = own_code.allow(named(file))
    first, again, other = (base.create(arch, (1, 8, 8), 10, seed=seed) for seed in (1, 1, 2))
    assert digest(first.state_dict()) == digest(again.state_dict())
    assert not torch.equal(first.token, other.token) and first.token.abs().max() < 6
    assert first.steps.tolist() == [0.0, 0.5, 1.0] and first.body[1].weight.item() == 0.25  # as their constructors make them
    assert not any(isinstance(module, nn.Dropout) for module in first.modules())


def test_a_changed_file_is_another_network_and_a_run_goes_on_with_its_own(file: Path) -> None:
    arch = own_code.allow(named(file))
    config = RunConfig(arch=arch, **SMALL)
    whole = RunState.create(config)
    list(events_of(whole, plan(config)))
    part = RunState.create(config)
    for _ in events_of(part, plan(config)[:3]):
        pass
    kept = part.snapshot()
    file.write_text(file.read_text().replace("width=4", "width=5"))
    assert own_code.has_changed(arch)
    resumed = RunState.restore(config, *kept)
    list(events_of(resumed, plan(config)))
    assert digest(resumed.model.state_dict()) == digest(whole.model.state_dict())
    changed = own_code.allow(named(file))
    assert changed != arch and RunConfig(arch=changed, **SMALL).fingerprint != config.fingerprint
    with pytest.raises(InputError, match="is not what it was when this name was made"):
        own_code.parse(arch).copy.unlink()
        own_code.allow(arch)


def test_a_copy_that_somebody_changed_is_not_run(file: Path) -> None:
    arch = own_code.allow(named(file))
    own_code.parse(arch).copy.write_text(file.read_text() + "\n")
    with pytest.raises(InputError, match="no bundle and no link brings code along"):
        base.skeleton(arch, (1, 8, 8), 10)
    assert not has_run(file)


def test_an_imported_run_is_read_and_runs_no_code(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    (run_id,) = appcore.train(RunConfig(arch=named(file), **SMALL))
    export(store, run_id, tmp_path / "out")
    file.with_name("ran").unlink()
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "elsewhere" / "store.db"))
    manager = Manager()
    taken = manager.import_bundle(tmp_path / "out" / f"{run_id}.zip")
    row = manager.get(taken)
    assert row["status"] == "done" and len(manager.store.megabatches(taken)) == 2
    # The file lies where the run says, and is not looked at.
    for way in (lambda: manager.start([row["config"]]), lambda: appcore.load(taken)):
        with pytest.raises(InputError, match="no bundle and no link brings code along"):
            way()
    # Nor another function of a file that was allowed here.
    arch = own_code.allow(named(file))
    with pytest.raises(InputError, match="no bundle"):
        base.skeleton(arch.replace(":Net@", ":other@"), (1, 8, 8), 10)
    assert not has_run(file) and not file.with_name("ran.other").exists()
    manager.close()


@pytest.mark.parametrize("text", ['admins = ["a@example.org"]', "queue = 5", 'code_files = "off"'])
def test_a_shared_server_runs_none_unless_the_limits_say_so(text: str, file: Path) -> None:
    arch = own_code.allow(named(file))
    place = Store().folder / "limits.toml"
    place.write_text(text)
    manager = Manager()
    start = lambda: manager.start([{"arch": arch, **SMALL}])  # noqa: E731
    for ask in (lambda: own_code.allow(named(file)), lambda: base.skeleton(arch, (1, 8, 8), 10), start):
        with pytest.raises(OverLimitError, match="limit code_files"):
            ask()
    assert not has_run(file)
    place.write_text('admins = ["a@example.org"]\ncode_files = "on"')
    base.skeleton(manager.of("b@example.org").allow_code(named(file)), (1, 8, 8), 10)


def test_who_has_signed_in_runs_none(file: Path) -> None:
    arch = own_code.allow(named(file))
    signed_in = Manager().of("b@example.org")
    for ask in (lambda: signed_in.allow_code(named(file)), lambda: signed_in.start([{"arch": arch, **SMALL}])):
        with pytest.raises(OverLimitError, match="limit code_files"):
            ask()
    limits.Limits().check_code("resnet20", "b@example.org")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def make(:", r"line 1"),
        ("x = 1", r"has nothing called make \(it defines no function and no class\)"),
        ("def made(): pass", r"has nothing called make \(it defines made\)"),
        ("make = 3", r"is no function and no class"),
        ("import missing_package\ndef make(): pass", r"line 1: ModuleNotFoundError.*install missing_package, or put"),
        ("def make(depth): pass", r"wants 'depth' and is given shape, channels and classes.*give depth a default"),
        ("def make():\n    return 3", r"gives a int; let it return a torch.nn.Module"),
        ("def make():\n    raise KeyError('x')", r"line 2: KeyError"),
        ("import sys\nsys.exit(3)\ndef make(): pass", r"line 2: SystemExit"),
        ("from torch import nn\ndef make(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))", r"make"),
        ("from torch import nn\ndef make(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))", r"\(2, 3\) .*needed is \(2, 10\)"),
        ("from torch import nn\ndef make(): return nn.Linear(9, 10)", r"cannot take images of 1 x 8 x 8"),
        ("from torch import nn\nclass make(nn.Module):\n  def forward(self, x): return (x, x)", r"gives a tuple; let it return one tensor"),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_do(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(text)
    with pytest.raises(InputError, match=says) as error:
        base.skeleton(own_code.allow(named(file, "make")), (1, 8, 8), 10)
    assert error.value.field == "arch" and "\n" not in error.value.message


@pytest.mark.parametrize("arch", ["file:net.py", "file:net.txt:Net", "file:net.py:9", "file:net.py:Net@12", "file:gone.py:Net"])
def test_names_that_are_none_are_refused(arch: str) -> None:
    with pytest.raises(InputError, match=r"write file:PATH.py:FUNCTION|is no file"):
        own_code.allow(arch)


def test_the_command_line_takes_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["run", "--arch", named(file), "--share", *words]) == 0
    (row,) = Store().runs()
    assert row["arch"].startswith(f"{named(file)}@") and row["title"].endswith("net.py:Net, Digits")
    capsys.readouterr()
