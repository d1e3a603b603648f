"""Restricted ImageNet, balanced: 14 superclasses of five ImageNet classes each, from a local copy of ImageNet (ILSVRC 2012).

Files: imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*.JPEG in the data folder (APPCORE_DATA), WNID being n01440764 and so on. Only the
70 folders below are read, so a part of ImageNet is enough; either folder may be a link. The validation images are the test set.

Grouping: the class ranges of RestrictedImageNetBalanced (an early version of the robustness library of Engstrom et al., BALANCED_RANGES,
inclusive indices of the 1,000 classes sorted by WordNet id), which the released code of APP (arXiv 2204.01640) uses for its few-shot runs:
10-14 33-37 42-46 72-76 118-122 200-204 281-285 286-290 302-306 322-326 371-374 393-397 948-952 992-996.
Deviation: its monkeys are four classes (371-374); here the next one (375, colobus) makes them five like the others.

Size: 224 x 224 pixels, or image_size: the shorter side scaled to 8/7 of it (256 for 224) and the centre kept. Always RGB.
The recipe's batch of 32 is the paper's; its random crops are of 224 out of 256 pixels with a zero border, where the robustness library
crops at random sizes and changes colours. Stored order: by superclass, then by ImageNet class, then by file name.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import psutil

from ..config import RunConfig
from ..errors import InputError
from ..untrusted.member import MAX_MEMBER_BYTES, Member
from ..untrusted.names import is_litter
from ..untrusted.refusals import refuse, shown
from .base import Description, Images, check_memory, data_root
from .picture import picture, to_array

CHOICES = {"restricted-imagenet": "Restricted ImageNet (your copy)"}
RECIPE = {"restricted-imagenet": {"megabatches": 8, "epochs": 50, "batch_size": 32, "crop_padding": 16, "flip": True}}

SUPERCLASSES = {
    "bird": ("n01530575", "n01531178", "n01532829", "n01534433", "n01537544"),
    "turtle": ("n01664065", "n01665541", "n01667114", "n01667778", "n01669191"),
    "lizard": ("n01687978", "n01688243", "n01689811", "n01692333", "n01693334"),
    "spider": ("n01773157", "n01773549", "n01773797", "n01774384", "n01774750"),
    "crab or lobster": ("n01978287", "n01978455", "n01980166", "n01981276", "n01983481"),
    "dog": ("n02097474", "n02097658", "n02098105", "n02098286", "n02098413"),
    "cat": ("n02123045", "n02123159", "n02123394", "n02123597", "n02124075"),
    "big cat": ("n02125311", "n02127052", "n02128385", "n02128757", "n02128925"),
    "beetle": ("n02167151", "n02168699", "n02169497", "n02172182", "n02174001"),
    "butterfly": ("n02277742", "n02279972", "n02280649", "n02281406", "n02281787"),
    "monkey": ("n02486261", "n02486410", "n02487347", "n02488291", "n02488702"),
    "fish": ("n02607072", "n02640242", "n02641379", "n02643566", "n02655020"),
    "fruit": ("n07742313", "n07745940", "n07747607", "n07749582", "n07753113"),
    "fungus": ("n12998815", "n13037406", "n13040303", "n13044778", "n13052670"),
}

_SIDE = 224
_BORDER = 1 / 16  # 224 of 256 pixels
_SPLITS = ("train", "val")
_SUFFIXES = (".jpeg", ".jpg", ".png")
_LAYOUT = "train/n01440764/*.JPEG and val/n01440764/*.JPEG"

_Keep = tuple[np.ndarray | slice, np.ndarray | slice]
_listed: dict[tuple, list[tuple[Path, int]]] = {}  # by folders and when they changed: a form describes often, and there are 90,000 names


class _Files:
    """The files as a source for `picture`."""

    def __init__(self, dataset: str):
        self.dataset = dataset

    def open(self, member: Member) -> BinaryIO:
        """The file as a stream."""
        return Path(member.source).open("rb")

    def read(self, member: Member) -> bytes:
        """The file's content, up to the accepted size."""
        with self.open(member) as file:
            return file.read(MAX_MEMBER_BYTES + 1)


def describe(config: RunConfig) -> Description:
    """Counts from the names of the files; nothing is decoded."""
    train, test = (_list(config, split) for split in _SPLITS)
    side = config.image_size or _SIDE
    notes = [f"Images are brought to {side} x {side} pixels: shorter side scaled to {round(side * 8 / 7)}, centre kept."]
    if config.order == "native":
        notes.append("The stored order is by superclass, so a megabatch holds few of them.")
    if config.crop_padding * 4 > side:
        notes.append(f"Crops move by up to {config.crop_padding} of {side} pixels; about {side // 14} are usual.")
    per_class = Counter(label for _, label in train)
    images = tuple(per_class[label] for label in range(len(SUPERCLASSES)))
    found = Description(len(train), len(test), (3, side, side), tuple(SUPERCLASSES), tuple(notes), images)
    remedy = "set shots (540 in the paper), limit_train and limit_test, or a smaller image_size"
    check_memory(config, found, psutil.virtual_memory().available, remedy)
    return found


def labels(config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Superclass of every training and test image in stored order."""
    train, test = (np.array([label for _, label in _list(config, split)], dtype=np.int64) for split in _SPLITS)
    return train, test


def load(config: RunConfig, keep: _Keep = (slice(None), slice(None))) -> Images:
    """The images that `keep` names, decoded straight into one array per split."""
    description = describe(config)
    arrays: list[np.ndarray] = []
    for split, wanted in zip(_SPLITS, keep, strict=True):
        files = _list(config, split)
        arrays += _decode(config, [files[index] for index in np.arange(len(files))[wanted]], description.shape)
    train_x, train_y, test_x, test_y = arrays
    return Images(train_x, train_y, test_x, test_y, description.classes, description.notes)


def _list(config: RunConfig, split: str) -> list[tuple[Path, int]]:
    """Every image of a split with its superclass."""
    root = (data_root() / "imagenet" / split).absolute()
    folders = [(root / wnid, label) for label, group in enumerate(SUPERCLASSES.values()) for wnid in group]
    missing = [folder.name for folder, _ in folders if not folder.is_dir()]
    if missing:
        raise _missing(config, root, missing)
    try:
        key = (str(root), *(folder.stat().st_mtime_ns for folder, _ in folders))
        if key not in _listed:
            for oldest in list(_listed)[:-7]:
                _listed.pop(oldest, None)
            _listed[key] = [(folder / name, label) for folder, label in folders for name in _images(config, folder)]
        return _listed[key]
    except OSError as error:
        raise refuse(config.dataset, f"{shown(error.filename)} cannot be read ({error.strerror}); check its permissions") from error


def _images(config: RunConfig, folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.lower().endswith(_SUFFIXES) and not is_litter(entry.name))
    if not names:
        raise refuse(config.dataset, f"{shown(folder)} holds no images; unpack them there ({_LAYOUT})")
    return names


def _missing(config: RunConfig, root: Path, missing: list[str]) -> InputError:
    if not root.parent.is_dir():
        problem = (
            f"no folder {shown(root.parent)}; put your copy of ImageNet there as {_LAYOUT}, or set APPCORE_DATA to the folder above it"
        )
        return refuse(config.dataset, f"{problem}. It cannot be downloaded without an account at image-net.org")
    if root.is_dir() and any(name.lower().endswith(_SUFFIXES) for name in _first_names(root)):
        return refuse(
            config.dataset, f"{shown(root)} holds images outside class folders; sort them into {root.name}/n01440764/*.JPEG and so on"
        )
    names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    verb = "is" if len(missing) == 1 else "are"
    problem = f"{len(missing)} of 70 class folders {verb} missing in {shown(root)} ({names})"
    return refuse(config.dataset, f"{problem}; lay ImageNet out as {_LAYOUT}")


def _first_names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry, _ in zip(entries, range(1000), strict=False)]


def _decode(config: RunConfig, images: list[tuple[Path, int]], shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    files, x = _Files(config.dataset), np.empty((len(images), *shape), dtype=np.uint8)

    def decode(index: int) -> None:
        path = images[index][0]
        with picture(files, Member("/".join(path.parts[-3:]), path.stat().st_size, path), whole=True) as image:
            x[index] = to_array(image, shape, border=_BORDER)

    try:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoders release the interpreter lock
            for _ in pool.map(decode, range(len(images))):
                pass
    except OSError as error:
        raise refuse(config.dataset, f"{shown(error.filename)} cannot be read ({error.strerror}); check its permissions") from error
    return x, np.array([label for _, label in images], dtype=np.int64)
