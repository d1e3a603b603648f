"""Networks that cannot take the images or the batches of a run are refused by the name of the setting, before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from appcore import RunConfig, run
from appcore.cli.main import main
from appcore.config import build
from appcore.datasets.base import Description
from appcore.engine import network_check, what_if_sketch
from appcore.engine.estimate import estimate
from appcore.engine.state import RunState
from appcore.errors import InputError
from appcore.events import Finished
from appcore.planning.plan import check
from appcore.planning.relevance import lone_images
from appcore.pruners import grasp
from appcore.runner.engine_port import Engine

SMALL = {"limit_train": 24, "limit_test": 10, "megabatches": 2, "epochs": 1, "device": "cpu"}
SMALL_ONE = "torchvision:shufflenet_v2_x0_5"  # of 8 x 8 pixels one is left to its last BatchNorm
ALONE = [  # on images of 8 x 8
    ("vgg11_bn", {"batch_size": 1}, "batch_size"),
    (SMALL_ONE, {"score_batch_size": 1}, "score_batch_size"),
    ("vgg11_bn", {"score_batch_size": 1, "pruner": "grasp"}, "score_batch_size"),
    (SMALL_ONE, {"score_batch_size": 1, "batch_size": 1}, "batch_size"),
    ("vgg11_bn", {"batch_size": 1, "method": "dense"}, "batch_size"),
    ("torchvision:mobilenet_v3_small", {"batch_size": 1}, "batch_size"),
    (SMALL_ONE, {"batch_size": 1}, "batch_size"),
]
NOT_ALONE = [
    (SMALL_ONE, {"score_batch_size": 1, "pruner": "magnitude"}),
    (SMALL_ONE, {"score_batch_size": 1, "pruner": "synflow", "options": {"rounds": 1}}),
    (SMALL_ONE, {"score_batch_size": 1, "method": "dense"}),
    (SMALL_ONE, {"batch_size": 2, "score_batch_size": 2}),
    ("resnet20", {"batch_size": 1, "score_batch_size": 1}),  # 2 x 2 pixels are left
    ("mlp", {"batch_size": 1, "score_batch_size": 1}),
    ("lenet5", {"batch_size": 1}),
]


def settings(arch: str, values: dict) -> RunConfig:
    return build({**SMALL, "arch": arch, **values})


@pytest.mark.parametrize(("arch", "values", "field"), ALONE, ids=str)
def test_a_batch_of_one_that_batch_norm_cannot_take_is_refused(arch: str, values: dict, field: str) -> None:
    config = settings(arch, values)
    for refuse in (Engine().check, lambda config: network_check.check(config, check(config)), estimate):
        with pytest.raises(InputError, match=rf"^{field}: 1 is too small for {arch} .*choose at least 2") as caught:
            refuse(config)
        assert caught.value.field == field and "\n" not in caught.value.message


@pytest.mark.thorough
@pytest.mark.parametrize(("arch", "values"), NOT_ALONE, ids=str)
def test_other_batches_are_not_refused_and_train(arch: str, values: dict) -> None:
    config = settings(arch, values)
    Engine().check(config)
    *_, last = run(config)
    assert isinstance(last, Finished)


@pytest.mark.slow
@pytest.mark.parametrize("images", [23, 25])
@pytest.mark.parametrize("pruner", ["grasp", "snip", "force"])
def test_a_lone_last_image_is_no_batch_anywhere(pruner: str, images: int) -> None:
    """Training and scoring batches of two over odd numbers of images; 1 x 1 pixels are left to BatchNorm."""
    options = {"rounds": 2} if pruner == "force" else {}
    values = {
        "batch_size": 2,
        "score_batch_size": 2,
        "score_fraction": 1.0,
        "lr": 1e-4,
        "limit_train": images,
        "pruner": pruner,
        "options": options,
    }
    *_, last = run(settings("vgg11_bn", values))
    assert isinstance(last, Finished)


def test_graspss_pieces_have_two_images_at_least_and_all_that_are_chosen() -> None:
    for labels, most, sizes in (([0, 1, 2], 2, [3]), ([0, 1, 2, 0, 1], 2, [3, 2]), ([0, 0, 0], 2, [2]), ([0, 1, 0, 1], 4, [4])):
        y = torch.tensor(labels)
        batches = [(part[:, None].float(), part) for part in y.split(most)]
        pieces = grasp._pieces(batches, 10 if len(set(labels)) > 1 else 1)
        assert [len(part) for _, part in pieces] == sizes


def test_the_command_line_refuses_with_exit_code_2_and_writes_nothing(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "runs.db"))
    flags = ["--limit-train", "24", "--limit-test", "10", "--megabatches", "2", "--epochs", "1", "--device", "cpu"]
    assert main(["run", "--arch", "vgg11_bn", "--batch-size", "1", *flags]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: batch_size: ") and said.err.count("\n") == 1 and not said.out
    assert not (tmp_path / "runs.db").exists()


def test_what_if_refuses_a_criterion_that_needs_more_images_in_a_batch() -> None:
    state = RunState.create(settings(SMALL_ONE, {"score_batch_size": 1, "pruner": "magnitude"}))
    what_if_sketch.scores(state, "magnitude")
    with pytest.raises(InputError, match=r"^score_batch_size: "):
        what_if_sketch.scores(state, "snip")


def test_settings_that_leave_an_image_alone() -> None:
    assert lone_images(RunConfig(batch_size=1, score_batch_size=1)) == ("batch_size", "score_batch_size")
    assert lone_images(RunConfig()) == lone_images(RunConfig(method="dense", score_batch_size=1)) == ()


def pictures(folder: Path, side: int) -> str:
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (folder / place).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(np.full((side, side, 3), 20 * number, np.uint8)).save(folder / place / f"{number}.png")
    return f"images:{folder}"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arch", "side", "image_size", "says"),
    [
        ("inception_v3", 80, 0, "choose image_size 75, which it takes (at 0 these images come as 64 x 64 pixels)"),
        ("inception_v3", 80, 64, "choose image_size 75, which it takes"),
        ("vit_b_32", 80, 80, "choose image_size 96, which it takes"),
        ("alexnet", 16, 0, "(at 0 these images come as 16 x 16 pixels)"),
    ],
)
def test_images_too_small_for_a_network_are_refused_by_the_name_of_their_size(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, arch: str, side: int, image_size: int, says: str
) -> None:
    config = build({**SMALL, "dataset": pictures(tmp_path / "set", side), "arch": f"torchvision:{arch}", "image_size": image_size})
    with pytest.raises(InputError) as caught:
        Engine().check(config)
    assert caught.value.field == "image_size" and caught.value.message.startswith("image_size: ") and "\n" not in caught.value.message
    assert caught.value.message.endswith(says)
    named = int(caught.value.message.partition("choose image_size ")[2].partition(",")[0])
    Engine().check(config.model_copy(update={"image_size": named}))
    if image_size:
        monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "runs.db"))
        flags = ["--dataset", config.dataset, "--arch", config.arch, "--image-size", str(image_size), "--megabatches", "2"]
        assert main(["run", *flags]) == 2 and "image_size" in capsys.readouterr().err


def test_a_network_that_is_not_there_and_images_of_one_size_are_refused_as_before() -> None:
    two = Description(10, 10, (1, 8, 8), ("a", "b"))
    for values, says in (
        ({"arch": "torchvision:alexnet"}, "^arch: torchvision:alexnet cannot take"),
        ({"arch": "torchvision:x"}, "no classifier"),
    ):
        with pytest.raises(InputError, match=says) as caught:
            network_check.check(RunConfig(**values), two)
        assert caught.value.field == "arch"
