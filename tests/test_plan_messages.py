"""What a refusal says would do, does: the number that it names passes, and one more does not."""

from __future__ import annotations

import random
import re

import pytest

from appcore.config import build
from appcore.errors import InputError
from appcore.planning.plan import check


def refusal(**settings: object) -> InputError:
    with pytest.raises(InputError) as refused:
        check(build({"dataset": "digits", "arch": "mlp", **settings}))
    assert "\n" not in refused.value.message and not re.search(r"at most 0(?!\.)", refused.value.message)
    return refused.value


def named(error: InputError) -> float:
    return float(re.search(r"at (?:most|least) ([\d.]+)", error.message)[1].rstrip("."))


def passes(**settings: object) -> bool:
    try:
        check(build({"dataset": "digits", "arch": "mlp", **settings}))
    except InputError:
        return False
    return True


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("megabatches", [1, 2, 8, 1000])
def test_fewer_than_three_images_are_too_few_for_any_number_of_megabatches(images: int, megabatches: int) -> None:
    error = refusal(limit_train=images, megabatches=megabatches)
    assert error.field == "limit_train" and named(error) == 3
    assert passes(limit_train=3, megabatches=1)


def test_the_share_to_validate_with_is_named_where_it_leaves_nothing_to_train_on() -> None:
    error = refusal(limit_train=100, megabatches=2, val_fraction=0.999)
    assert error.field == "val_fraction" and named(error) == 0.98
    assert passes(limit_train=100, megabatches=1, val_fraction=0.98)


def test_what_is_named_passes_and_one_more_does_not() -> None:
    """Over settings at random, with the suggestion followed as long as there is one."""
    draw, seen = random.Random(0), set()
    for _ in range(120):
        settings = {
            "limit_train": draw.choice([draw.randint(1, 12), draw.randint(1, 200), draw.randint(1, 1437)]),
            "megabatches": draw.choice([1, 2, draw.randint(1, 40), draw.randint(1, 1000)]),
            "val_fraction": draw.choice([0.1, 0.5, draw.uniform(0.01, 0.999), 0.999]),
        }
        for _ in range(4):
            if passes(**settings):
                break
            error = refusal(**settings)
            seen.add(error.field)
            settings[error.field] = type(settings[error.field])(named(error))
            if error.field == "megabatches":
                assert passes(**settings) and not passes(**{**settings, "megabatches": settings["megabatches"] + 1}), (
                    settings,
                    error.message,
                )
            if error.field == "limit_train":
                assert not passes(**{**settings, "limit_train": settings["limit_train"] - 1})
        assert passes(**settings), settings
    assert seen == {"megabatches", "limit_train", "val_fraction"}


def test_shots_of_a_set_with_fewer_images_than_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.datasets import digits

    describe = digits.describe
    monkeypatch.setattr(digits, "describe", lambda config: type(describe(config))(9, 9, (1, 8, 8), describe(config).classes))
    assert "choose 0, which takes all" in refusal(shots=1).message
    monkeypatch.setattr(digits, "describe", lambda config: type(describe(config))(99, 9, (1, 8, 8), describe(config).classes))
    assert named(refusal(shots=10)) == 9
