"""What trackers are told: the numbers of the events, while a run goes on, and never at its cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from standin import SETTINGS, StandIn

from appcore.cli.main import main
from appcore.config import build
from appcore.errors import InputError
from appcore.events import Progress
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage.store import Store
from appcore.trackers import sink

CONFIG = build(SETTINGS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "runs.db")
    yield store
    store.close()


class Listener:
    """A tracker that keeps what it is told; `fails` says at which call it fails."""

    def __init__(self, fails: int = -1):
        self.told: list[tuple[dict[str, float], int]] = []
        self.fails, self.closed = fails, 0

    def opened(self, folder: Path, run_id: str, settings: Mapping[str, Any], first: int) -> Listener:
        self.place, self.settings = (folder, run_id, first), settings
        return self

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        if len(self.told) == self.fails:
            raise OSError(28, "No space left on device")
        self.told.append((dict(numbers), step))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def listens(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a listener in the place of TensorBoard."""

    def put(listener: Listener) -> Listener:
        monkeypatch.setattr(sink.importlib.util, "find_spec", lambda name: SimpleNamespace())
        monkeypatch.setattr(sink, "import_module", lambda name: listener)
        monkeypatch.setenv(sink.VARIABLE, "tensorboard")
        return listener

    return put


def drive(store: Store) -> str:
    run_id = store.create_run(CONFIG, plan_length=len(plan(CONFIG)))
    assert driver.drive(store, run_id, work=StandIn()) == "done"
    return run_id


def test_all_numbers_of_the_store_are_told(store: Store, listens: Any) -> None:
    listener = listens(Listener())
    run_id = drive(store)
    assert listener.place == (store.folder / "tensorboard", run_id, 0) and listener.settings == store.get(run_id)["config"]
    assert listener.closed == 1
    for group, table, columns in (
        ("epoch", store.epochs(run_id), ("train_loss", "val_accuracy", "learning_rate", "density")),
        ("megabatch", store.megabatches(run_id), ("test_accuracy", "density_mask", "density_alive", "cer")),
        ("prune", store.prunes(run_id), ("density_requested", "density_mask")),
    ):
        for column in columns:
            told = [numbers[f"{group}/{column}"] for numbers, _ in listener.told if f"{group}/{column}" in numbers]
            assert told == pytest.approx(table[column].tolist()) and told, column
    steps = [step for numbers, step in listener.told if "epoch/train_loss" in numbers]
    assert steps == store.epochs(run_id)["samples_seen"].tolist()


def test_of_steps_the_losses_that_were_read_are_told() -> None:
    step = Progress(segment=1, megabatch=1, epoch=1, step=3, steps=4, samples_seen=30, loss=0.5)
    assert sink.numbers(step) == {"step/loss": 0.5}
    assert sink.numbers(dataclasses.replace(step, loss=None)) == {} == sink.numbers(dataclasses.replace(step, phase="validate"))


def test_a_tracker_that_fails_is_a_note_and_the_run_goes_on(store: Store, listens: Any) -> None:
    listener = listens(Listener(fails=3))
    run = store.get(drive(store))
    assert len(listener.told) == 3
    assert [note for note in run["notes"] if note.startswith("tensorboard was told no more")] and "No space left" in str(run["notes"])


def test_one_that_fails_takes_nothing_from_the_others(store: Store, listens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    full, other = Listener(fails=3), listens(Listener())
    monkeypatch.setattr(sink, "import_module", lambda name: full if name.endswith("mlflow") else other)
    monkeypatch.setenv(sink.VARIABLE, "mlflow,tensorboard")
    run_id = drive(store)
    assert other.told[:3] == full.told and len({step for numbers, step in other.told if "epoch/train_loss" in numbers}) == len(
        store.epochs(run_id)
    )
    assert len([numbers for numbers, _ in other.told if "total/seconds" in numbers]) == 1
    alone = listens(Listener())
    drive(store)
    assert [step for _, step in other.told] == [step for _, step in alone.told]


def test_without_a_tracker_nothing_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sink.VARIABLE, raising=False)
    monkeypatch.setattr(sink, "numbers", lambda event: pytest.fail("asked"))
    drive(store)


@pytest.mark.parametrize("text", ["x", "tensorboard:\0", "tensorboard:~nobody-of-that-name/x", "tensorboard,x"])
def test_what_is_no_tracker_is_refused_before_anything_is_written(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(sink.VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "runs.db"))
    assert main(["run", "--arch", "mlp", "--log", text]) == 2
    assert capsys.readouterr().err.startswith("error: log: ") and list(tmp_path.iterdir()) == []


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        sink.chosen("tensorboard", Path("x"))


def test_a_place_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink.importlib.util, "find_spec", lambda name: SimpleNamespace())
    assert sink.chosen(f"tensorboard:{tmp_path}", Path("x")) == {"tensorboard": tmp_path} and sink.chosen("", Path("x")) == {}
