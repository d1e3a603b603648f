"""What runs must have in common: hashes, software and machine, and one set of data before and after a stop."""

from __future__ import annotations

import re
from typing import Any

import pytest

from appcore.analysis import pairing
from appcore.errors import InputError

HASHES = {"init": "i", "order": "o", "scoring": "s", "data": "d"}
HERE = {"torch": "2.15.0", "cpu": "AVX2", "threads": 2, "device": "cpu (x86_64)"}
SIZES = {"train_images": 1000, "test_images": 200, "classes": 10, "image_shape": [3, 32, 32]}


def run(**changes: Any) -> dict[str, Any]:
    return {"hashes": HASHES, "versions": HERE, **changes}


@pytest.mark.parametrize("name", pairing.PAIRING)
def test_each_hash_is_looked_at(name: str) -> None:
    assert pairing.pairing([run(), run()]) == dict.fromkeys(pairing.PAIRING, True)
    other = run(hashes={**HASHES, name: "other"})
    assert pairing.pairing([run(), other, run()]) == {**dict.fromkeys(pairing.PAIRING, True), name: False}
    without = run(hashes={key: value for key, value in HASHES.items() if key != name})
    assert pairing.pairing([run(), without]) == {**dict.fromkeys(pairing.PAIRING, True), name: None}


def test_a_run_that_has_not_begun_is_not_one_of_an_earlier_version() -> None:
    assert not pairing.is_without_data_hash(run(hashes=None)) and not pairing.is_without_data_hash(run())
    assert pairing.is_without_data_hash(run(hashes={"init": "i", "order": "o", "scoring": "s"}))


@pytest.mark.parametrize("name", HERE)
def test_software_and_machine_differ_in_words(name: str) -> None:
    assert pairing.surroundings([run(), run(), run(versions=None)]) == ""
    assert pairing.surroundings([run(), run(versions={**HERE, name: "other"})]) == f"{name} {HERE[name]} and other"
    assert pairing.surroundings([run(), run(versions={key: value for key, value in HERE.items() if key != name})]) == ""


def test_a_run_that_goes_on_elsewhere_keeps_where_it_was() -> None:
    newer = {**HERE, "torch": "2.16.0", "threads": 4, "pillow": "12"}
    once = pairing.continued(HERE, newer)
    assert once == {**HERE, "torch": "2.15.0, then 2.16.0", "threads": "2, then 4", "pillow": "12"}
    assert pairing.continued(once, newer) == once
    assert pairing.continued(once, HERE)["torch"] == "2.15.0, then 2.16.0, then 2.15.0"
    assert pairing.continued(HERE, HERE) == HERE and pairing.continued(None, HERE) == HERE
    assert "torch 2.15.0 and 2.15.0, then 2.16.0" in pairing.surroundings([run(), run(versions=once)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "e"}, "other pixels, labels or class names"),
        ({"train_images": 999}, "images to train on 1000, now 999"),
        ({"test_images": 201, "data": "e"}, "images to test on 200, now 201"),
        ({"classes": 9}, "classes 10, now 9"),
        ({"image_shape": (1, 32, 32)}, "image shape 3 x 32 x 32, now 1 x 32 x 32"),
    ],
)
def test_other_data_are_refused_in_one_line_with_what_changed_and_how_to_go_on(changes: dict, words: str) -> None:
    before = {**SIZES, "data": "d", "device": "cpu"}
    with pytest.raises(InputError, match=re.escape(words)) as refused:
        pairing.require_same_data("images:/photos", before, {**before, **changes})
    assert refused.value.field == "dataset" and "\n" not in refused.value.message
    assert "images:/photos has changed" in refused.value.message and "start a new run" in refused.value.message


@pytest.mark.parametrize("before", [None, {}, SIZES, {**SIZES, "data": "d"}])
def test_what_was_not_recorded_refuses_nothing(before: dict | None) -> None:
    pairing.require_same_data("digits", before, {**SIZES, "data": "d", "image_shape": (3, 32, 32), "precision": "bf16"})


def test_data_that_were_changed_between_two_runs_are_seen_and_other_settings_are_not_taken_for_that() -> None:
    config = {"dataset": "images:/photos", "limit_train": 0, "seed": 0, "pruner": "snip"}

    def of(digest: str | None, **settings: Any) -> dict[str, Any]:
        return {"hashes": digest and {"data": digest}, "config": {**config, **settings}}

    assert pairing.mixes_data([of("a"), of("b", pruner="magnitude")])
    assert pairing.mixes_data([of("a"), of("b", seed=1)])  # all images, whichever the seed
    assert not pairing.mixes_data([of("a", shots=1), of("b", shots=1, seed=1), of("c", limit_train=10), of("d", dataset="digits")])
    assert not pairing.mixes_data([of("a"), of("a", pruner="force"), of(None)])


def test_runs_are_paired_seed_by_seed() -> None:
    """Three seeds of two criteria are three pairs: different seeds are meant to differ."""
    runs = [
        run(run_id=f"{pruner}{seed}", config={"seed": seed, "arch": "mlp", "dataset": "digits"}, hashes={**HASHES, "init": f"i{seed}"})
        for pruner in "sm"
        for seed in range(3)
    ]
    assert pairing.pairing(runs) == dict.fromkeys(pairing.PAIRING, True)
    assert pairing.agreeing(runs) == (3, 3)
    runs[0]["hashes"] = {**HASHES, "init": "other"}
    assert pairing.pairing(runs)["init"] is False and pairing.agreeing(runs) == (2, 3)
    alone = [{**one, "config": {**one["config"], "seed": place}} for place, one in enumerate(runs[1:3])]
    assert pairing.pairing(alone)["init"] is False and pairing.agreeing(alone) == (0, 1)  # no partners at all: they are compared anyway
