"""The page Machines: what this machine has, how many runs train at once, what trains and what waits, and why. No browser."""

from __future__ import annotations

import fake_runs
import pytest
from test_pages import no_warm_up, opened, store, words  # noqa: F401

from appcore.runner import hardware
from appcore.runner.slots import Slot
from appcore.service import manager
from appcore.storage.store import Store


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 6)
    monkeypatch.setattr(hardware, "memory", lambda: 32_000_000_000)
    monkeypatch.setattr(hardware, "gpus", lambda: tuple(hardware.Gpu(str(number), "H200", 140 * 10**9) for number in range(2)))


def test_an_idle_machine_says_what_it_has() -> None:
    app = opened("machines")
    assert {metric.label: metric.value for metric in app.metric} == {"Cores": "6", "Main memory": "32 GB", "GPUs": "2 × H200"}
    assert words(app).count("Nothing.") == 2


def test_a_number_is_chosen_and_given_up(store: Store) -> None:  # noqa: F811
    app = opened("machines")
    assert app.number_input(key="workers").value is None and not app.number_input(key="workers").disabled
    app.number_input(key="workers").set_value(3).run()
    assert manager.shared().machine.most() == 3
    assert opened("machines").number_input(key="workers").value == 3
    app.number_input(key="workers").set_value(None).run()
    assert manager.shared().machine.most() is None


def test_a_number_given_at_the_start_is_shown_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCORE_WORKERS", "5")
    app = opened("machines")
    assert (app.number_input(key="workers").value, app.number_input(key="workers").disabled) == (5, True)
    assert "when the program was started" in words(app)


def test_what_trains_and_what_waits_is_named(store: Store) -> None:  # noqa: F811
    title = "A **bold** run"
    mine = fake_runs.write(store, title=title, until=20, status="running")
    fake_runs.keep_alive(store, mine)
    here, there, waits = Slot("cpu"), Slot("cuda"), Slot("cpu")
    assert here.take(6, f"run {mine}", size=900_000_000) and there.take(1, "run 20200101-000000-abcd")
    assert not waits.take(1, "run 20200101-000000-beef")
    said = words(opened("machines"))
    for slot in (here, there, waits):
        slot.release()
    assert "6 cores · about 900 MB" in said and r"A \*\*bold\*\* run" in said
    assert "GPU 0, H200" in said and said.count("of somebody else, or of another store") == 2
    assert "in another program" in said
