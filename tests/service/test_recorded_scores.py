"""Scores that come with the program: nothing of a sketch is lost in its file, and it is found by what decides scores and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sketches

from appcore.config import build
from appcore.recordings import catalog, shipped
from appcore.service import recorded_scores, what_if
from appcore.service.what_if import WhatIfQueue
from appcore.storage.store import Store

FACTS = {"density": 1.0, "megabatch": 0, "cursor": 0}


def test_nothing_of_a_sketch_is_lost(tmp_path: Path) -> None:
    sketch = {**sketches.sketched(sketches.random_scores((5_000, 7))), **FACTS}
    path = tmp_path / "scores.npz"
    path.write_bytes(recorded_scores.packed(sketch))
    found = recorded_scores.read(path)
    assert found["layers"] == sketch["layers"]
    assert {name: found[name] for name in FACTS} == FACTS
    for name in ("ranks", "scores"):
        assert all(np.array_equal(one, other) for one, other in zip(found[name], sketch[name], strict=True))
    assert all(np.array_equal(found["order"][name], sketch["order"][name]) for name in sketch["order"])


def test_they_are_found_by_what_decides_scores() -> None:
    known = catalog.SCORED[0]
    config = known.config
    same = config.model_copy(update={"tau": 1.0, "method": "osp", "epochs": 3})
    other = config.model_copy(update={"seed": 1})
    assert recorded_scores.find(same, "snip", what_if._IGNORED) is not None
    assert recorded_scores.find(other, "snip", what_if._IGNORED) is None
    assert recorded_scores.find(config, "no-criterion", what_if._IGNORED) is None


@pytest.mark.parametrize("known", catalog.SCORED, ids=lambda known: known.name)
def test_what_if_answers_at_once(known: catalog.Scored, tmp_path: Path) -> None:
    queue = WhatIfQueue(Store(tmp_path / "appcore.db"))
    for criterion in known.criteria:
        reply = queue.ask(known.config.model_dump(mode="json"), None, criterion)
        assert reply["state"] == "ready"
        assert reply["sketch"]["layers"][0]["total"] > 0


@pytest.mark.thorough
def test_they_equal_fresh_ones(cifar_small: Path) -> None:
    from appcore.engine import what_if_sketch

    known = catalog.SCORED[0]
    config = build({**known.config.model_dump(mode="json"), "dataset": f"images:{cifar_small}"})
    state = what_if_sketch.present(config)
    for criterion, tolerance in (("magnitude", 1e-6), ("snip", 1e-2)):  # by SNIP last bits depend on the machine
        found = what_if_sketch.sketch(state, what_if_sketch.scores(state, criterion))
        there = recorded_scores.read(shipped.scores(known.name, criterion))
        assert there["layers"] == found["layers"]
        for one, other in zip(there["scores"], found["scores"], strict=True):
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * one.max())
