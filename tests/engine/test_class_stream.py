"""Class-incremental streams: each class comes once, plans count as the stream does, tests are of all classes and of those seen, and a run
without the option is what it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from appcore import InputError, RunConfig, plugins, run
from appcore.config import build
from appcore.datasets.base import Description
from appcore.engine.loop import run as run_state
from appcore.engine.state import RunState
from appcore.engine.stream import Stream, load_data, pick_device
from appcore.events import Finished, MegabatchDone, SegmentDone
from appcore.planning import class_stream, stream_timeline
from appcore.planning import plan as plans
from appcore.planning.plan import check, plan, total_samples
from appcore.planning.stream_sizes import samples

SMALL: dict[str, Any] = {"arch": "mlp", "megabatches": 5, "classes_per_megabatch": 2, "epochs": 2, "device": "cpu", "lr": 0.05}
LETTERS = Description(100, 20, (1, 8, 8), tuple("abcd"), per_class=(40, 30, 20, 10))


def settings(**values: Any) -> RunConfig:
    return build({**SMALL, **values})


def stream(config: RunConfig) -> Stream:
    return Stream(config, load_data(config, pick_device("cpu")))


@pytest.mark.parametrize(
    "values", [{}, {"shots": 20}, {"limit_train": 303}, {"order": "native"}, {"classes_per_megabatch": 4, "megabatches": 3}]
)
@pytest.mark.parametrize("replay", ["full", "none", "buffer", "fraction"])
def test_each_megabatch_brings_all_images_of_its_classes_and_the_plan_counts_them(values: dict, replay: str) -> None:
    config = settings(replay=replay, buffer_size=150, **values)
    found = stream(config)
    labels, every = found.data.train_y, []
    for t, classes in enumerate(found.classes):
        mine = torch.cat([found.train[t], found.val[t]])
        assert set(labels[mine].tolist()) == set(classes)
        every += mine.tolist()
    assert sorted(every) == list(range(len(labels))) and sorted(label for part in found.classes for label in part) == list(range(10))
    known = check(config)
    assert class_stream.sizes(config, known) == [len(a) + len(b) for a, b in zip(found.train, found.val, strict=True)]
    assert samples(config, known) == [len(found.train_indices(t)) for t in range(config.megabatches)]
    shown = stream_timeline.timeline(config, known)
    assert [round(images) for images in shown.train.sum(axis=0)] == samples(config, known)


@pytest.mark.parametrize("name", ["digits", "spiral", "moons"])
def test_the_images_of_each_class_are_as_described(name: str) -> None:
    config = RunConfig(dataset=name)
    module = plugins.load("datasets", name)
    assert module.describe(config).per_class == tuple(np.bincount(module.load(config).train_y).tolist())


def test_what_is_published_of_the_others_adds_up() -> None:
    for name in ("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100"):
        found = plugins.load("datasets", name).describe(RunConfig(dataset=name))
        assert sum(found.per_class) == found.train_images and len(found.per_class) == len(found.classes)


def test_limits_leave_each_class_its_share() -> None:
    assert class_stream.drawn(RunConfig(limit_train=11), LETTERS.per_class) == [5, 3, 2, 1]
    assert class_stream.drawn(RunConfig(limit_train=500), LETTERS.per_class) == [40, 30, 20, 10]
    assert class_stream.drawn(RunConfig(shots=15), LETTERS.per_class) == [15, 15, 15, 10]
    labels = load_data(settings(limit_train=100), pick_device("cpu")).train_y
    assert torch.bincount(labels).tolist() == [10, 10, 10, 10, 10, 10, 10, 10, 10, 10]


def test_the_order_of_classes_is_the_seeds_or_the_given_one() -> None:
    orders = {seed: class_stream.order(settings(seed=seed), tuple("0123456789")) for seed in range(3)}
    assert all(sorted(order) == list(range(10)) for order in orders.values()) and orders[0] != orders[1] != orders[2]
    assert orders[0] == class_stream.order(settings(seed=0, replay="none", epochs=7), tuple("0123456789"))
    assert class_stream.order(settings(order="native"), LETTERS.classes) == [0, 1, 2, 3]
    assert class_stream.order(settings(class_order="d, a, 1, c"), LETTERS.classes) == [3, 0, 1, 2]
    assert class_stream.order(settings(class_order=[3, 0, 1, 2]), LETTERS.classes) == [3, 0, 1, 2]
    assert class_stream.order(settings(class_order=("1", "0")), ("1", "0")) == [0, 1]  # a name goes before a number
    assert class_stream.parts(settings(classes_per_megabatch=3, class_order="0,1,2,3"), LETTERS.classes) == [[0, 1, 2], [3]]


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"megabatches": 8}, "classes_per_megabatch", "set megabatches to 5"),
        ({"classes_per_megabatch": 3, "megabatches": 3}, "classes_per_megabatch", "set megabatches to 4"),
        ({"classes_per_megabatch": -1}, "classes_per_megabatch", "-1"),
        ({"classes_per_megabatch": 0, "class_order": "1,0"}, "class_order", "classes_per_megabatch only"),
        ({"class_order": "0,1"}, "class_order", "it names 2 of 10 classes, in 2 places; name each class once"),
        ({"class_order": "0,1,2,3,4,5,6,7,8,8"}, "class_order", "9 of 10 classes, in 10 places"),
        ({"class_order": "0,1,2,3,4,5,6,7,8,cat"}, "class_order", "'cat' is no class"),
        ({"limit_train": 20, "val_fraction": 0.9}, "megabatches", "fewer than two to train on"),
    ],
)
def test_what_makes_no_such_stream_is_refused(values: dict, field: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        check(settings(**values))
    assert caught.value.field == field and says in caught.value.message and "\n" not in caught.value.message


def test_the_smallest_megabatch_must_have_images_to_train_on() -> None:
    """The mean is not enough where classes differ: here 40, 30, 20 and 10 images."""
    config = settings(classes_per_megabatch=1, megabatches=4, order="native", val_fraction=0.9)
    with pytest.raises(InputError, match="megabatch 4 brings 10 training images, of which two must be left"):
        plans._check_classes(config, LETTERS)


def test_a_data_set_that_does_not_know_its_classes_is_refused() -> None:
    with pytest.raises(InputError, match="does not say how many images each class has"):
        class_stream.check(settings(), Description(100, 20, (1, 8, 8), tuple("0123456789")))


def test_tests_are_of_all_images_and_of_the_classes_that_have_come() -> None:
    config = settings(replay="none", epochs=4)
    events = list(run(config))
    ends = [event for event in events if isinstance(event, MegabatchDone)]
    brought = stream(config).classes
    assert ends[-1].samples_seen == total_samples(config, check(config))
    for end in ends:
        classes = end.facts["classes"]
        assert [(name, part) for name, part, _, _ in classes] == [(str(label), t) for t, labels in enumerate(brought) for label in labels]
        assert sum(images for *_, images in classes) == end.test_images == 360
        assert sum(right for _, _, right, _ in classes) == end.test_images - end.test_errors
        seen = [(right, images) for _, part, right, images in classes if part <= end.megabatch]
        assert end.seen_accuracy == sum(right for right, _ in seen) / sum(images for _, images in seen) >= end.test_accuracy
        assert end.clean_gap == end.clean_train_accuracy - end.seen_accuracy
    assert ends[-1].seen_accuracy == ends[-1].test_accuracy and ends[0].seen_accuracy > 0.8
    first = [right / images for name, part, right, images in ends[-1].facts["classes"] if part == 0]
    assert max(first) < 0.2  # without replay the first classes are forgotten


@pytest.mark.thorough
def test_full_replay_forgets_less_than_none() -> None:
    last = {}
    for replay in ("full", "none"):
        *_, end = (event for event in run(settings(epochs=4, replay=replay)) if isinstance(event, MegabatchDone))
        last[replay] = end.seen_accuracy
    assert last["full"] > last["none"] + 0.2


def test_a_run_resumes_to_the_same_bits() -> None:
    config = settings(limit_train=200, limit_test=50, method="app", tau=3.0)
    state, snapshots = RunState.create(config), []
    for event in run_state(state, plan(config)):
        if isinstance(event, SegmentDone):
            snapshots.append(state.snapshot())
    assert isinstance(event, Finished)
    for tensors, facts in snapshots[::5]:
        *_, last = run_state(RunState.restore(config, tensors, facts), plan(config))
        assert (last.weights_hash, last.cer) == (event.weights_hash, event.cer)


def test_without_the_option_nothing_is_recorded_and_the_fingerprint_is_the_same() -> None:
    end = next(event for event in run(settings(classes_per_megabatch=0, limit_train=90, limit_test=30)) if isinstance(event, MegabatchDone))
    assert end.seen_accuracy is None and "classes" not in end.facts
    assert RunConfig(classes_per_megabatch=0, class_order=()).fingerprint == RunConfig().fingerprint
    kinds = [RunConfig(**values).fingerprint for values in ({}, {"classes_per_megabatch": 2}, {"classes_per_megabatch": 1})]
    ordered = [RunConfig(classes_per_megabatch=2, class_order=order).fingerprint for order in ("0,1", "1,0")]
    assert len({*kinds, *ordered}) == 5
