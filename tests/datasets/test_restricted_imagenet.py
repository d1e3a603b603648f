"""Restricted ImageNet on a small folder in ImageNet's layout: grouping, geometry, few shots, and what is said when files are missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_imagenet import imagenet

from appcore import RunConfig, plugins, run
from appcore.datasets import restricted_imagenet as module
from appcore.engine.data import load_data
from appcore.engine.estimate import estimate
from appcore.errors import InputError
from appcore.events import MegabatchDone
from appcore.planning import plan, stream_sizes
from appcore.presets import PRESETS

CPU = torch.device("cpu")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An ImageNet of two training images and one validation image per class, in the data folder of this test."""
    return imagenet(tmp_path / "data")


def config(**fields: object) -> RunConfig:
    return RunConfig(**{"dataset": "restricted-imagenet", "image_size": 8, "megabatches": 2, "crop_padding": 1, **fields})


def refusal(**fields: object) -> str:
    with pytest.raises(InputError) as caught:
        module.describe(config(**fields))
    assert caught.value.field == "dataset" and caught.value.message.isprintable() and len(caught.value.message) < 500
    return caught.value.message


def test_fourteen_superclasses_of_five_classes_each_in_imagenet_order() -> None:
    assert len(module.SUPERCLASSES) == 14 and {len(group) for group in module.SUPERCLASSES.values()} == {5}
    wnids = [wnid for group in module.SUPERCLASSES.values() for wnid in group]
    assert wnids == sorted(set(wnids)) and all(len(wnid) == 9 and wnid[0] == "n" and wnid[1:].isdigit() for wnid in wnids)


def test_describe_counts_and_load_labels_by_superclass(root: Path) -> None:
    found, images = module.describe(config()), module.load(config())
    assert (found.train_images, found.test_images, found.shape, len(found.classes)) == (140, 70, (3, 8, 8), 14)
    assert np.bincount(images.train_y).tolist() == [10] * 14 and np.bincount(images.test_y).tolist() == [5] * 14
    red = np.rint(images.train_x[:, 0].mean((1, 2)) / 3).astype(int)
    assert np.abs(red - np.repeat(np.arange(70), 2)).max() <= 1  # in the order of the 70 folders
    assert images.train_x[:, 2].max() < 30 < 170 < images.test_x[:, 2].min()  # train/ and val/ are not mixed up
    assert all(np.array_equal(*pair) for pair in zip(module.labels(config()), (images.train_y, images.test_y), strict=True))


def test_the_usual_size_is_224_cut_from_256(root: Path) -> None:
    assert module.describe(config(image_size=0)).shape == (3, 224, 224)
    path = root / "train/n01530575/n01530575_0.JPEG"
    ramp = np.tile(np.arange(512, dtype=np.uint16)[None, :] // 2, (256, 1)).astype(np.uint8)
    Image.fromarray(ramp).save(path, "PNG")  # grey, and a PNG in spite of its name, as one file of ImageNet is
    chosen = module.load(config(image_size=0), keep=(np.array([0]), np.array([], dtype=int)))
    assert chosen.train_x.shape == (1, 3, 224, 224) and chosen.test_x.shape == (0, 3, 224, 224)
    row = chosen.train_x[0, 0, 100].astype(int)
    assert np.abs(row - (np.arange(224) + (512 - 224) // 2) // 2).max() <= 1 and np.array_equal(chosen.train_x[0, 0], chosen.train_x[0, 2])


def test_few_shots_decode_only_what_they_use_and_choose_as_ever(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = module.load(config(shots=3))
    decoded = []
    monkeypatch.setattr(module, "to_array", lambda *args, **kwargs: decoded.append(1) or to_array(*args, **kwargs))
    to_array = plugins.load("datasets", "images:x").to_array
    data = load_data(config(shots=3, limit_test=11), CPU)
    assert len(decoded) == 3 * 14 + 11 and data.train_y.bincount().tolist() == [3] * 14 and len(data.test_x) == 11
    monkeypatch.delattr(module, "labels")  # without it, everything is decoded and then chosen from
    monkeypatch.setattr(module, "load", lambda _: everything)
    same = load_data(config(shots=3, limit_test=11, crop_padding=2), CPU)
    assert torch.equal(same.train_x[:, 2:-2, 2:-2], data.train_x[:, 1:-1, 1:-1]) and torch.equal(same.test_x, data.test_x)
    assert torch.equal(same.train_y, data.train_y) and torch.equal(same.mean, data.mean)


def test_the_preset_runs_on_it(root: Path) -> None:
    settings = PRESETS["few-shot-540"].settings
    with pytest.raises(InputError, match="shots: 540 of each of 14 classes are more than the 140"):
        plan.check(RunConfig(**settings))
    small = {"arch": "lenet5", "image_size": 16, "shots": 8, "megabatches": 2, "epochs": 2, "crop_padding": 2, "device": "cpu"}
    few = RunConfig(**{**settings, **small})
    assert stream_sizes.samples(few, plan.check(few)) == [50, 100] and estimate(few, [(few, 100.0)])["train_images"] == 140
    last = [event for event in run(few) if isinstance(event, MegabatchDone)][-1]
    assert abs(last.density_mask - 0.8**4.5) < 1e-3


def test_what_is_missing_is_said_with_where_it_goes(tmp_path: Path) -> None:
    assert str(tmp_path / "data" / "imagenet") in refusal() and "train/n01440764/*.JPEG" in refusal() and "APPCORE_DATA" in refusal()
    root = imagenet(tmp_path / "data", train=1)
    shutil.rmtree(root / "val" / "n13052670")
    assert "1 of 70 class folders is missing" in refusal() and "n13052670" in refusal()
    shutil.rmtree(root / "val")
    (root / "val").mkdir()
    (root / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"")
    assert "outside class folders; sort them into val/n01440764/*.JPEG" in refusal()
    shutil.rmtree(root / "val")
    assert "70 of 70" in refusal()


def test_empty_folders_broken_files_and_too_little_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = root / "train/n02123045/n02123045_1.JPEG"
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"train/n02123045/n02123045_1.JPEG cannot be read as an image"):
        module.load(config())
    broken.unlink()
    assert module.describe(config()).train_images == 139  # seen at once, though the list of files is kept
    (root / "train/n02123045/n02123045_0.JPEG").unlink()
    assert "n02123045 holds no images" in refusal()
    (root / "train/n02123045/a.JPEG").write_bytes(b"")
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 2**20})())
    assert "set shots (540 in the paper)" in refusal(image_size=0)


def test_links_to_an_imagenet_elsewhere_are_followed(tmp_path: Path) -> None:
    elsewhere = imagenet(tmp_path / "disk", train=1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "imagenet").symlink_to(elsewhere, target_is_directory=True)
    assert module.describe(config()).train_images == 70


def test_notes_say_size_order_and_crops_that_are_too_wide(root: Path) -> None:
    notes = module.describe(config(order="native", crop_padding=4)).notes
    assert "8 x 8" in notes[0] and "by superclass" in notes[1] and "usual" in notes[2]
    assert len(module.describe(config()).notes) == 1
