"""What one user asks about another's runs and ablations is answered as if there were none."""

from __future__ import annotations

import threading
import time

import pytest
from standin import SETTINGS, StandIn

from appcore.errors import InputError
from appcore.service.manager import Manager


def test_the_queue_of_others_is_not_told() -> None:
    go = threading.Event()
    manager = Manager(work=StandIn({(0, 0): go.wait}))
    ada, ben = manager.of("ada"), manager.of("ben")
    try:
        (first,) = ada.start([SETTINGS])
        (second,) = ada.start([{**SETTINGS, "seed": 1}])
        deadline = time.monotonic() + 60
        while ada.queue_position(first) != 0 and time.monotonic() < deadline:  # until it has begun
            time.sleep(0.01)
        assert ada.queue_position(first) == 0
        assert ada.queue_position(second) == 1
        assert (ben.queue_position(first), ben.queue_position(second), ben.waits_for(second)) == (None, None, "")
        assert manager.of("root", sees_all=True).queue_position(second) == 1
    finally:
        go.set()
        manager.close()


def test_an_ablation_of_others_is_not_there() -> None:
    manager = Manager(work=StandIn())
    ada, ben = manager.of("ada"), manager.of("ben")
    sweep = ada.ablations.create("hers", {"dataset": "digits"}, {"seed": [0, 1]})
    for act in (lambda: ben.ablations.rename(sweep, "his"), lambda: ben.ablations.delete(sweep), lambda: ben.ablations.get(sweep)):
        with pytest.raises(InputError, match="no ablation"):
            act()
    with pytest.raises(InputError, match="no ablation"):
        ada.ablations.rename("s20200101-000000-abcd", "x")
    ada.ablations.rename(sweep, "mine")
    assert [one["title"] for one in ada.ablations.all()] == ["mine"]
    manager.close()
