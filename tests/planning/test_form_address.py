"""The form in the address: what is written is read again, every setting can be named, and nonsense is said in a line."""

from typing import Any

import pytest

from appcore.config import RunConfig
from appcore.planning import address, sparsity
from appcore.presets import PRESETS

OTHER: dict[str, Any] = {
    **{"arch": "mlp", "dataset": "mnist", "method": "imp", "pruner": "magnitude", "schedule": "exponential", "tau": 7.21},
    **{"replay": "buffer", "scope": "layer", "prunable": "all", "semantics": "released-code", "init": "torch", "order": "native"},
    **{"optimizer_state": "reset", "device": "cpu", "precision": "fp32", "exempt": ("conv1", "fc"), "lr_drops": ()},
    **{"restore_best": False, "reinit": True, "flip": False, "replay_fraction": 0.25, "split": 0.2, "val_fraction": 0.3},
    **{"lr": 0.0317, "momentum": 0.5, "lr_gamma": 0.3, "score_fraction": 0.11},
    **{"optimizer": "adamw", "beta2": 0.98, "lr_schedule": "cosine", "lr_warmup": 0.2, "label_smoothing": 0.1, "granularity": "4x4"},
    "densities": ("conv1=0.5", "fc=0.1"),
}


@pytest.mark.parametrize("name", [name for name in RunConfig.model_fields if name != "options"])
def test_every_setting_can_be_named(name: str) -> None:
    usual = RunConfig.model_fields[name].default
    value = OTHER.get(name, usual + 1 if isinstance(usual, (int, float)) else usual)
    query = address.written({name: value})
    _, settings, bad = address.read(query)
    assert (settings.get(name, usual), bad) == (value, [])
    assert query or value == usual


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_and_runs_of_them_are_one_word(preset: str) -> None:
    short = {"preset": preset} if preset != address.USUAL else {}
    assert address.written(PRESETS[preset].settings, preset) == short
    assert address.of_run(RunConfig(**PRESETS[preset].settings).model_dump(mode="json")) == short
    assert address.read(short) == (preset, PRESETS[preset].settings, [])


def test_a_form_is_its_differences_from_the_preset() -> None:
    settings = {**PRESETS["lottery-lenet-small"].settings, "seed": 3, "tau": sparsity.tau_of(0.9), "options": {"control": "reinit"}}
    del settings["epochs"]  # back at the recipe's
    query = address.written(settings, "lottery-lenet-small")
    assert query == {"preset": "lottery-lenet-small", "sparsity": "90", "seed": "3", "epochs": "6", "options.control": "reinit"}
    _, found, bad = address.read(query)
    assert RunConfig(**found) == RunConfig(**settings) and not bad


def test_a_run_whose_tau_no_percentage_names_keeps_it() -> None:
    config = RunConfig(tau=4.5123456)
    assert address.of_run(config.model_dump(mode="json")) == {"tau": "4.5123456"}
    assert RunConfig(**address.read({"tau": "4.5123456"})[1]) == config


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"epochs": "0"}, "greater than or equal to 1"),
        ({"epochs": "many"}, "epochs: 'many' is not possible"),
        ({"lr": "nan"}, "finite"),
        ({"pruner": "zebra"}, "unknown name 'zebra'"),
        ({"replay": "zebra"}, "replay: 'zebra'"),
        ({"preset": "zebra"}, "unknown name 'zebra'"),
        ({"sparsity": "120"}, "from 0 to 99.9"),
        ({"learning_rate": "1"}, "is no setting"),
        ({"options.zebra": "1"}, "no parameter of the chosen"),
        ({"method": "imp", "options.rate": "2"}, "must lie between"),
    ],
)
def test_nonsense_is_left_out_and_said(query: dict[str, str], words: str) -> None:
    _, settings, bad = address.read(query)
    assert len(bad) == 1 and words in bad[0] and "\n" not in bad[0]
    RunConfig(**settings)


def test_a_link_of_two_words_is_a_whole_form() -> None:
    assert address.read({"dataset": "spiral", "arch": "mlp"}) == (address.USUAL, {"dataset": "spiral", "arch": "mlp"}, [])
