"""Your own images: `images:PATH` takes a folder or zip laid out as train/CLASS/FILE and test/CLASS/FILE (PNG, JPEG, BMP, GIF, WebP, TIFF),
or a table: NumPy's .npz, or .parquet with image files in a column (see tables.py).

`val` may stand for `test`, folders may lie around, and where there is no test set the setting `split` draws one (see layout.py).
Orientation: as the camera was held (EXIF). Size: where all images have one size and no side is over 64 pixels, as stored. Otherwise,
and whenever image_size is set, each image is brought to S x S pixels, its shorter side scaled to S and the centre kept; S is image_size,
or else the median of the shorter sides, at most 64. Depth: the values of images with more than 8 bits are spread over 8, from the
smallest to the largest of the set's training images (of 1,000 of them, evenly spaced, where there are more). Colour: one channel where
every file is stored as greyscale, else RGB. Transparent parts become white. Of an animation the first frame counts. Stored order: by
class, then by file name.
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
from .base import Description, Images, check_memory
from .layout import Layout, opened
from .layout import arrange as arranged
from .picture import FULL_RANGE, Range, extent, is_deep, is_grey, picture, to_array, upright_size
from .tables import Table, table_of

CHOICES = {"images:": "Your own images"}
TAKES_PATH = True
TAKES_SPLIT = True
# No RECIPE: the defaults of RunConfig, which are the recipe for CIFAR.

Tree = Folder | Zip | Table
LARGEST_AS_STORED = 64
SMALLEST = 4  # pixels; what images are brought to without being asked is not less, or next to nothing of them would be left
_RANGED = 1000  # images whose values are looked at, so that a run on a few images of a large set need not decode all of it


@dataclass(frozen=True)
class _Survey:
    """What is known from the names and image headers of a tree: all that a description needs."""

    counts: tuple[int, int]
    classes: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]
    size: tuple[int, int] | None  # width and height where all images agree
    shorter_side: int  # the median
    grey: bool
    deep: bool  # some of them
    per_class: tuple[int, ...]  # training images


_surveys: dict[
    tuple[str, float], _Survey
] = {}  # by a token that changes with the files: 60,000 headers take seconds, and a form asks often


def describe(config: RunConfig) -> Description:
    """Classes, counts and shape from names and image headers."""
    with opened(config.dataset, _path(config), table_of) as tree:
        return _description(config, _survey(tree, config.split))


def state(config: RunConfig) -> str:
    """Changes whenever the files do, or a folder around them."""
    with opened(config.dataset, _path(config), table_of) as tree:
        return tree.token or arrange(tree, config.split).token


def labels(config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Class of every training and test image in stored order."""
    with opened(config.dataset, _path(config), table_of) as tree:
        layout = arrange(tree, config.split)
        train, test = (_labels(layout.images[split]) for split in SPLITS)
    return train, test


def load(config: RunConfig, keep: tuple[np.ndarray | slice, np.ndarray | slice] = (slice(None), slice(None))) -> Images:
    """The images that `keep` names, decoded straight into one array per split."""
    arrays: list[np.ndarray] = []
    with opened(config.dataset, _path(config), table_of) as tree:
        layout = arrange(tree, config.split)
        survey = _survey(tree, config.split, layout)
        values = _range(tree, layout) if survey.deep else None
        description = _description(config, survey, values)
        for split, wanted in zip(SPLITS, keep, strict=True):
            images = layout.images[split]
            chosen = [images[index] for index in np.arange(len(images))[wanted]]
            arrays += _decode(tree, chosen, description.shape, values or FULL_RANGE)
    train_x, train_y, test_x, test_y = arrays
    return Images(train_x, train_y, test_x, test_y, description.classes, description.notes)


def _path(config: RunConfig) -> Path:
    limits.load().check_path(config.dataset)
    path = Path(config.dataset.partition(":")[2])
    try:
        return path.expanduser()
    except RuntimeError:  # ~name of nobody
        return path


def arrange(tree: Tree, split: float) -> Layout:
    """The classes and images of a folder, zip or table."""
    return tree.arranged(split) if isinstance(tree, Table) else arranged(tree, split)


def _survey(tree: Tree, split: float, layout: Layout | None = None) -> _Survey:
    if layout is None and not tree.token:
        layout = arrange(tree, split)
    token = (tree.token or (layout.token if layout else ""), split)
    if token not in _surveys:
        layout = layout or arrange(tree, split)
        sizes: Counter[tuple[int, int]] = Counter()
        grey, deep = True, False
        for member, _ in (image for part in SPLITS for image in layout.images[part]):
            with picture(tree, member, whole=False) as image:
                sizes[upright_size(image)] += 1
                grey, deep = grey and is_grey(image), deep or is_deep(image)
        shorter_side = median_low(min(size) for size in sizes.elements())
        counts = (len(layout.images["train"]), len(layout.images["test"]))
        for oldest in list(_surveys)[:-15]:
            _surveys.pop(oldest, None)
        size = next(iter(sizes)) if len(sizes) == 1 else None
        labels = Counter(label for _, label in layout.images["train"])
        per_class = tuple(labels[label] for label in range(len(layout.classes)))
        _surveys[token] = _Survey(counts, layout.classes, layout.unused, layout.notes, size, shorter_side, grey, deep, per_class)
    return _surveys[token]


def _range(tree: Tree, layout: Layout) -> Range:
    """Smallest and largest value of the training images with more than 8 bits, or of such test images where no training image is."""
    for split in SPLITS:
        found: list[Range] = []
        for index in np.linspace(0, len(layout.images[split]) - 1, min(_RANGED, len(layout.images[split]))).astype(int):
            with picture(tree, layout.images[split][index][0], whole=True) as image:
                if (values := extent(image)) is not None:
                    found.append(values)
        if found:
            low, high = min(value for value, _ in found), max(value for _, value in found)
            return (low, high) if high > low else FULL_RANGE
    return FULL_RANGE


def _description(config: RunConfig, survey: _Survey, values: Range | None = None) -> Description:
    """What the survey says under these settings; `values`: the range of deep images, once it is known."""
    as_stored = survey.size is not None and max(survey.size) <= LARGEST_AS_STORED
    side = config.image_size or min(LARGEST_AS_STORED, survey.shorter_side)
    width, height = survey.size if as_stored and survey.size and not config.image_size else (side, side)
    notes = list(survey.notes)
    if survey.size != (width, height):
        stored = "mixed sizes" if survey.size is None else f"{survey.size[0]} x {survey.size[1]}"
        if side < SMALLEST and not config.image_size:
            remedy = "set image_size, which the shorter side is scaled to, or cut the images into squares"
            raise refuse(config.dataset, f"images of {stored} would become {side} x {side} pixels, their shorter side; {remedy}")
        share = min(survey.size) / max(survey.size) if survey.size else 1.0
        lost = f", {100 * share:.2g} % of each image" if share < 0.5 else ""
        notes.append(f"Images of {stored} are brought to {width} x {height} pixels: shorter side scaled, centre kept{lost}.")
    if survey.deep:
        which = f"{values[0]:g} to {values[1]:g}" if values else "from the smallest to the largest of the training images"
        notes.append(f"Images of more than 8 bits are brought to 8: their values {which} become 0 to 255.")
    if config.order == "native":
        notes.append("The stored order is by class and then by file name, so a megabatch holds few classes.")
    if survey.unused:
        more = ", ..." if len(survey.unused) > 3 else ""
        notes.append(f"Not used: {', '.join(shown(name, 40) for name in survey.unused[:3])}{more}.")
    found = Description(*survey.counts, (1 if survey.grey else 3, height, width), survey.classes, tuple(notes), survey.per_class)
    remedy = "set a smaller image_size or use fewer images (limit_train, limit_test or shots)"
    check_memory(config, found, psutil.virtual_memory().available, remedy)
    return found


def _decode(tree: Tree, images: list[tuple[Member, int]], shape: tuple[int, int, int], values: Range) -> tuple[np.ndarray, np.ndarray]:
    x = np.empty((len(images), *shape), dtype=np.uint8)
    for index, (member, _) in enumerate(images):
        with picture(tree, member, whole=True) as image:
            x[index] = to_array(image, shape, values=values)
    return x, _labels(images)


def _labels(images: list[tuple[Member, int]]) -> np.ndarray:
    return np.array([label for _, label in images], dtype=np.int64)
