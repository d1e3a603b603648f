"""Your own images: `images:PATH` takes a folder or zip laid out as train/CLASS/FILE and test/CLASS/FILE (PNG, JPEG, BMP, GIF, WebP).

Size: where all images have one size and no side is over 64 pixels, as stored. Otherwise, and whenever image_size is set, each image is
brought to S x S pixels, its shorter side scaled to S and the centre kept; S is image_size, or else the median of the shorter sides, at
most 64. Colour: one channel where every file is stored as greyscale, else RGB. Transparent parts become white. Of an animation the
first frame counts. Rotation marks of cameras are ignored. Stored order: by class, then by file name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

import numpy as np
import psutil

from .. import limits
from ..config import RunConfig
from ..untrusted.folder import Folder
from ..untrusted.member import SPLITS, Member
from ..untrusted.refusals import refuse, shown
from ..untrusted.zip_file import Zip
from .base import Description, Images
from .layout import Layout, arrange, opened
from .picture import is_grey, picture, to_array

CHOICES = {"images:": "Your own images (folder or zip)"}
# No RECIPE: the defaults of RunConfig, which are the recipe for CIFAR.

LARGEST_AS_STORED = 64
SMALLEST = 4  # pixels; what images are brought to without being asked is not less, or next to nothing of them would be left


@dataclass(frozen=True)
class _Survey:
    """What is known from the names and image headers of a tree: all that a description needs."""

    counts: tuple[int, int]
    classes: tuple[str, ...]
    unused: tuple[str, ...]
    size: tuple[int, int] | None  # width and height where all images agree
    shorter_side: int  # the median
    grey: bool


_surveys: dict[str, _Survey] = {}  # by a token that changes with the files: 60,000 headers take seconds, and a form asks often


def describe(config: RunConfig) -> Description:
    """Classes, counts and shape from names and image headers."""
    with opened(config.dataset, _path(config)) as tree:
        return _description(config, _survey(tree))


def labels(config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Class of every training and test image in stored order."""
    with opened(config.dataset, _path(config)) as tree:
        layout = arrange(tree)
        train, test = (_labels(layout.images[split]) for split in SPLITS)
    return train, test


def load(config: RunConfig, keep: tuple[np.ndarray | slice, np.ndarray | slice] = (slice(None), slice(None))) -> Images:
    """The images that `keep` names, decoded straight into one array per split."""
    arrays: list[np.ndarray] = []
    with opened(config.dataset, _path(config)) as tree:
        layout = arrange(tree)
        description = _description(config, _survey(tree, layout))
        for split, wanted in zip(SPLITS, keep, strict=True):
            images = layout.images[split]
            arrays += _decode(tree, [images[index] for index in np.arange(len(images))[wanted]], description.shape)
    train_x, train_y, test_x, test_y = arrays
    return Images(train_x, train_y, test_x, test_y, description.classes, description.notes)


def _path(config: RunConfig) -> Path:
    limits.load().check_path(config.dataset)
    path = Path(config.dataset.partition(":")[2])
    try:
        return path.expanduser()
    except RuntimeError:  # ~name of nobody
        return path


def _survey(tree: Folder | Zip, layout: Layout | None = None) -> _Survey:
    token = tree.token
    if token not in _surveys:
        layout = layout or arrange(tree)
        sizes: Counter[tuple[int, int]] = Counter()
        grey = True
        for member, _ in (image for split in SPLITS for image in layout.images[split]):
            with picture(tree, member, whole=False) as image:
                sizes[image.size] += 1
                grey = grey and is_grey(image)
        shorter_side = median_low(min(size) for size in sizes.elements())
        counts = (len(layout.images["train"]), len(layout.images["test"]))
        for oldest in list(_surveys)[:-15]:
            _surveys.pop(oldest, None)
        _surveys[token] = _Survey(counts, layout.classes, layout.unused, next(iter(sizes)) if len(sizes) == 1 else None, shorter_side, grey)
    return _surveys[token]


def _description(config: RunConfig, survey: _Survey) -> Description:
    channels = 1 if survey.grey else 3
    as_stored = survey.size is not None and max(survey.size) <= LARGEST_AS_STORED
    side = config.image_size or min(LARGEST_AS_STORED, survey.shorter_side)
    width, height = survey.size if as_stored and survey.size and not config.image_size else (side, side)
    _check_memory(config, sum(survey.counts), channels * height * width)
    notes = []
    if survey.size != (width, height):
        stored = "mixed sizes" if survey.size is None else f"{survey.size[0]} x {survey.size[1]}"
        if side < SMALLEST and not config.image_size:
            remedy = "set image_size, which the shorter side is scaled to, or cut the images into squares"
            raise refuse(config.dataset, f"images of {stored} would become {side} x {side} pixels, their shorter side; {remedy}")
        share = min(survey.size) / max(survey.size) if survey.size else 1.0
        lost = f", {100 * share:.2g} % of each image" if share < 0.5 else ""
        notes.append(f"Images of {stored} are brought to {width} x {height} pixels: shorter side scaled, centre kept{lost}.")
    if config.order == "native":
        notes.append("The stored order is by class and then by file name, so a megabatch holds few classes.")
    if survey.unused:
        more = ", ..." if len(survey.unused) > 3 else ""
        notes.append(f"Not used: {', '.join(shown(name, 40) for name in survey.unused[:3])}{more}.")
    return Description(*survey.counts, (channels, height, width), survey.classes, tuple(notes))


def _check_memory(config: RunConfig, images: int, image_bytes: int) -> None:
    needed, free = images * image_bytes, psutil.virtual_memory().available
    if needed > free:
        problem = f"{images:,} images of this size take {needed / 2**30:.1f} GiB of memory and {free / 2**30:.1f} GiB are free"
        raise refuse(config.dataset, f"{problem}; set a smaller image_size or use fewer images")


def _decode(tree: Folder | Zip, images: list[tuple[Member, int]], shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    x = np.empty((len(images), *shape), dtype=np.uint8)
    for index, (member, _) in enumerate(images):
        with picture(tree, member, whole=True) as image:
            x[index] = to_array(image, shape)
    return x, _labels(images)


def _labels(images: list[tuple[Member, int]]) -> np.ndarray:
    return np.array([label for _, label in images], dtype=np.int64)
