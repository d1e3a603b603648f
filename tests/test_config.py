"""RunConfig: recipes, refusals in one line, and pinned fingerprints."""

import math
import subprocess
import sys

import pytest

from appcore import InputError, RunConfig, run
from appcore.config import build, completed
from appcore.presets import PRESETS


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"arch": "resnet21"}, "arch", "resnet20"),
        ({"dataset": "cifar11"}, "dataset", "digits"),
        ({"dataset": "images:"}, "dataset", "images:..."),
        ({"pruner": "snap"}, "pruner", "snip"),
        ({"method": ""}, "method", "app"),
        ({"megabatches": 0}, "megabatches", "0"),
        ({"epochs": "many"}, "epochs", "many"),
        ({"epochs": 2.5}, "epochs", "2.5"),
        ({"tau": math.nan}, "tau", "nan"),
        ({"tau": "nan"}, "tau", "nan"),
        ({"lr": math.inf}, "lr", "inf"),
        ({"lr": -1}, "lr", "-1"),
        ({"momentum": 1.0}, "momentum", "1.0"),
        ({"val_fraction": 1.0}, "val_fraction", "1.0"),
        ({"replay": "some"}, "replay", "full"),
        ({"lr_drops": (0.5, 1.5)}, "lr_drops", "between 0 and 1"),
        ({"seed": -1}, "seed", "-1"),
        ({"device": "tpu"}, "device", "tpu"),
        ({"sparsity": 0.5}, "sparsity", "unknown setting"),
        ({"options": {"warp": 3}}, "options", "warp"),
        ({"semantics": "released-code", "method": "gmp"}, "semantics", "method app"),
        ({"semantics": "released-code", "method": "rigl"}, "semantics", "rigl"),
        ({"shots": 5, "limit_train": 100}, "shots", "limit_train"),
        ({"budget": 15, "epochs": 8}, "budget", "at least 16"),
        ({"exempt": 3}, "exempt", "3"),
        ({"replay_fraction": 1.5}, "replay_fraction", "1.5"),
        ({"patience": -1}, "patience", "-1"),
        ({"init": "xavier"}, "init", "kaiming-fan-in"),
        ({"optimizer": "adam"}, "optimizer", "adamw"),
        ({"optimizer": "nesterov", "momentum": 0.0}, "momentum", "above 0"),
        ({"lr_schedule": "one-cycle", "lr_warmup": 0.1}, "lr_warmup", "one-cycle"),
        ({"label_smoothing": 1.0}, "label_smoothing", "1.0"),
        ({"beta2": 1.0}, "beta2", "1.0"),
    ],
)
def test_refuses_in_one_line_that_names_field_and_value(values: dict, field: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        build(values)
    assert caught.value.field == field
    assert says in caught.value.message and "\n" not in caught.value.message


def test_recipe_fills_what_is_left_out_and_gives_way_to_what_is_given() -> None:
    assert RunConfig(dataset="cifar10").megabatches == 8 and RunConfig(dataset="cifar10").epochs == 50
    assert RunConfig(dataset="digits").flip is False
    assert RunConfig(dataset="digits", flip=True).flip is True


def test_config_survives_a_round_trip_and_strings() -> None:
    config = RunConfig(dataset="cifar10", tau=3, lr_drops=(0.8, 0.4))
    assert RunConfig(**config.model_dump(mode="json")) == config
    assert config.lr_drops == (0.4, 0.8)
    assert build({"epochs": "3", "lr": "0.05", "flip": "false", "lr_drops": ["0.5"]}).lr_drops == (0.5,)


def test_fingerprint_is_pinned_and_ignores_the_device() -> None:
    # A changed default or a new field must not change these: old runs would lose their identity.
    recipe = {"megabatches": 8, "epochs": 50, "crop_padding": 4, "flip": True}  # given, so that only RunConfig itself is pinned
    assert RunConfig(dataset="cifar10", arch="resnet20", **recipe).fingerprint == "1aade34a8022"
    assert RunConfig(dataset="cifar10", arch="resnet20", **recipe, device="cpu").fingerprint == "1aade34a8022"
    assert RunConfig(dataset="cifar10", seed=1).fingerprint != RunConfig(dataset="cifar10").fingerprint


def test_an_optimizer_brings_its_usual_values_which_give_way_to_what_is_given() -> None:
    adamw = RunConfig(dataset="digits", optimizer="adamw")
    assert (adamw.lr, adamw.weight_decay, adamw.momentum) == (1e-3, 1e-2, 0.9)
    assert RunConfig(dataset="digits", optimizer="adamw", lr=0.02).lr == 0.02
    assert RunConfig(dataset="digits", optimizer="nesterov").lr == RunConfig(dataset="digits").lr == 0.05
    assert RunConfig(**{**RunConfig().model_dump(), "optimizer": "adamw"}).lr == RunConfig().lr  # all of it is given


def test_each_new_setting_of_training_is_part_of_an_experiment_and_old_ones_keep_their_name() -> None:
    news = [{"optimizer": "nesterov"}, {"optimizer": "adamw"}, {"beta2": 0.99}, {"label_smoothing": 0.1}, {"lr_schedule": "cosine"}]
    news += [{"lr_schedule": "one-cycle"}, {"lr_warmup": 0.1}]
    assert len({RunConfig(**values).fingerprint for values in [{}, *news]}) == 1 + len(news)
    then = {"beta2", "label_smoothing", "lr_schedule", "lr_warmup", "optimizer"}
    recorded = {name: value for name, value in RunConfig(dataset="cifar10").model_dump(mode="json").items() if name not in then}
    assert RunConfig(**completed(recorded)) == RunConfig(dataset="cifar10")


def test_the_rule_of_initial_weights_is_part_of_an_experiment() -> None:
    default, *others = (RunConfig(init=init).fingerprint for init in ("kaiming-fan-out", "kaiming-fan-in", "torch"))
    assert default == RunConfig().fingerprint and len({default, *others}) == 3


def test_settings_of_an_earlier_version_are_completed_by_what_it_did() -> None:
    now = RunConfig(dataset="cifar10", lr_drops=(0.5,)).model_dump(mode="json")
    then = {name: value for name, value in now.items() if name not in ("init", "exempt")}
    assert completed(then) == now == completed(now) and "init" not in then


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_sourced(name: str) -> None:
    RunConfig(**PRESETS[name].settings)
    assert PRESETS[name].title and PRESETS[name].source


def test_published_presets_have_a_small_twin_of_the_same_kind_on_offline_images() -> None:
    published = [name for name in PRESETS if f"{name}-small" in PRESETS]
    assert {"poster-r50-cifar100", "long-r50-cifar10", "few-shot-540", "snip-lenet", "lottery-lenet", "lottery-resnet", "cs-resnet"} <= set(
        published
    )
    assert list(PRESETS) == ["quick", *(f"{name}-small" for name in published), *published]  # each has a twin, and the twins come first
    for name in published:
        settings, twin = RunConfig(**PRESETS[name].settings), RunConfig(**PRESETS[f"{name}-small"].settings)
        assert (twin.method, twin.pruner, twin.megabatches) == (settings.method, settings.pruner, settings.megabatches)
        assert twin.dataset == "digits" and twin.options == settings.options


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PRESETS if name.endswith("-small")])
def test_small_presets_run(name: str) -> None:
    images = {"shots": 6} if PRESETS[name].settings.get("shots") else {"limit_train": 60}
    shrunk = {"epochs": 3, "limit_test": 20, "device": "cpu", **images}
    if "classes_per_megabatch" not in PRESETS[name].settings:  # else there are as many as the classes need
        shrunk["megabatches"] = min(2, PRESETS[name].settings["megabatches"])
    settings = RunConfig(**{**PRESETS[name].settings, **shrunk})
    *_, last = run(settings)
    assert last.seconds > 0


def test_config_and_plan_import_no_torch() -> None:
    code = "import sys, appcore; from appcore.planning.plan import plan; plan(appcore.RunConfig()); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


SUBSET = {"dataset": "cifar10", "limit_train": 500}


def test_images_drawn_by_one_seed_are_one_experiment_however_it_is_said() -> None:
    """At seed 0 the images are those that earlier versions drew for every seed, so these fingerprints are theirs."""
    assert RunConfig(**SUBSET).fingerprint == RunConfig(**SUBSET, subset_seed=0).fingerprint
    assert RunConfig(**SUBSET, seed=3).fingerprint == RunConfig(**SUBSET, seed=3, subset_seed=3).fingerprint
    assert RunConfig(**SUBSET, seed=3).fingerprint != RunConfig(**SUBSET, seed=3, subset_seed=0).fingerprint
    assert RunConfig(seed=3, subset_seed=7).fingerprint == RunConfig(seed=3).fingerprint  # of all images there is no subset


@pytest.mark.parametrize("limit", [{"limit_train": 500}, {"limit_test": 50}, {"shots": 5}])
def test_a_record_of_an_earlier_version_has_the_images_of_seed_0(limit: dict) -> None:
    now = RunConfig(dataset="cifar10", seed=3, **limit, subset_seed=0)
    then = {name: value for name, value in now.model_dump(mode="json").items() if name != "subset_seed"}
    assert RunConfig(**completed(then)) == now and RunConfig(**completed(completed(then))) == now
    assert RunConfig(**then).images_seed == 3  # as settings of a new run


def test_a_record_of_an_earlier_version_has_the_defaults_of_then() -> None:
    now = RunConfig(method="gmp", dataset="cifar10")
    then = {name: value for name, value in now.model_dump(mode="json").items() if name != "subset_seed"}
    known = RunConfig(**completed(then))
    assert known.option("method", "prune_until") == 1.0 and now.option("method", "prune_until") == 0.75
    assert completed({**then, "options": {"prune_until": 0.5}})["options"] == {"prune_until": 0.5}
    assert RunConfig(**completed({**then, "method": "app"})).options == {} and completed(now.model_dump(mode="json"))["options"] == {}
    # What differs from the first defaults is what counts, however it is said.
    first = RunConfig(method="gmp", dataset="cifar10", options={"prune_until": 1.0})
    assert known.fingerprint == first.fingerprint != now.fingerprint
    assert now.fingerprint == RunConfig(method="gmp", dataset="cifar10", options={"prune_until": 0.75}).fingerprint


@pytest.mark.parametrize("wrong", [{"options": [1]}, {"options": None}, {"method": 3}, {"method": None}, {"limit_train": "x"}])
def test_what_is_no_record_is_left_to_whoever_checks_it(wrong: dict) -> None:
    found = completed({"method": "gmp", **wrong})
    assert all(found[name] == value for name, value in wrong.items())
