"""What is looked at only for pages: the twelve images, the earlier parts of the stream, and that a run is the same to the bit without."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from appcore.config import build
from appcore.engine import loop
from appcore.engine.shown import looks
from appcore.engine.state import RunState
from appcore.planning.stream_sizes import watched_parts

SMALL = {"arch": "lenet5", "epochs": 1, "megabatches": 3, "limit_train": 90, "limit_test": 40, "device": "cpu", "lr": 0.05}


def events(**settings):
    return list(loop.start(build(SMALL | settings)))


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [{}, {"arch": "resnet20", "method": "rigl"}, {"method": "imp", "tau": 2}, {"method": "cs"}])
def test_a_run_is_the_same_to_the_bit_whether_it_looks_or_not(settings, monkeypatch):
    seen = events(**settings)
    images = {"places": [], "labels": [], "answers": []}
    monkeypatch.setattr(looks, "at_images", lambda *_: images)
    monkeypatch.setattr(looks, "parts", lambda *_: {})
    blind = events(**settings)
    assert seen[-1].weights_hash == blind[-1].weights_hash
    assert seen[-1].total_flops_dense == blind[-1].total_flops_dense

    def plain(found):
        kinds = ("EpochDone", "MegabatchDone", "Pruned")
        return [replace(event, seconds=0.0, **({"facts": {}} if hasattr(event, "facts") else {})) for event in found if event.kind in kinds]

    assert plain(seen) == plain(blind)


def test_the_twelve_images_are_the_same_for_every_run_on_the_data_and_of_every_class():
    states = [RunState.create(build(SMALL | {"limit_test": 0, "limit_train": 0} | other)) for other in ({}, {"arch": "mlp", "seed": 5})]
    one, other = (looks.chosen(state.stream.data) for state in states)
    assert one == other and len(set(one)) == 12
    counts = Counter(states[0].stream.data.test_y[one].tolist())
    assert len(counts) == 10 and max(counts.values()) == 2


@pytest.mark.parametrize("replay", ["full", "none"])
def test_answers_are_what_the_network_says_at_that_moment(replay):
    state = RunState.create(build(SMALL | {"replay": replay}))
    found = None
    segments = loop.plan(state.config)
    for event in loop.run(state, segments):
        if event.kind == "MegabatchDone":
            found = event.facts
            logits = state.model.eval()(looks.images_at(state.stream.data, found["images"]["places"])).softmax(1)
            assert [answer[0] for answer in found["images"]["answers"]] == logits.argmax(1).tolist()
            assert np.allclose([answer[1] for answer in found["images"]["answers"]], logits.max(1).values.detach(), atol=1e-3)
            assert found["images"]["labels"] == state.stream.data.test_y[found["images"]["places"]].tolist()
            for part, right, images in found["parts"]:
                x, y = state.stream.clean_batch(state.stream.train[part])
                assert images == len(y) and right == int((state.model(x).argmax(1) == y).sum())
    assert [part for part, _, _ in found["parts"]] == [0, 1, 2]


def test_a_cut_records_what_was_said_before_and_after_it():
    cuts = [event for event in events(tau=20, method="osp", megabatches=1) if event.kind == "Pruned"]
    images = cuts[0].facts["images"]
    assert len(images["before"]) == len(images["answers"]) == 12
    assert images["before"] != images["answers"]  # little is left of the network


def test_of_a_long_stream_some_parts_are_watched():
    assert watched_parts(1) == []
    assert watched_parts(5) == [0, 1, 2, 3, 4]
    assert len(watched_parts(1000)) == 20 and watched_parts(1000)[0] == 0 and watched_parts(1000)[-1] == 999


def test_an_answer_without_a_finite_confidence_has_none():
    assert looks.answers_of(lambda x: x * float("nan"), torch.ones(1, 3), torch.float32)[0][1] == 0.0
