"""The study of six rows: what of the claims of Anytime Progressive Pruning (arXiv 2204.01640) follows from the method, and what from the
density at which the released code really ran. `python -m appcore study` runs it and writes docs/STUDY.md.

The published comparison has three rows: APP as the released code runs it (it ends at 1.9 % of the weights), one-shot pruning (OSP) at the
37 % that the paper names, and dense. Three more make it fair: APP without the code's two defects at either density, and OSP at 1.9 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .recording import Recording

DATASET = "images:cifar10.zip"
DEEP = 17.76  # tau at which the paper's rule ends at density 0.019, where the released code does
NAMED = 4.5  # tau of the paper: density 0.366
SEEDS = tuple(range(10))  # that a study may have
NEEDED = 3  # seeds before a row says anything
AUGMENTED = "-aug"  # how names of rows with augmentation end
_PREFIX = "study"


@dataclass(frozen=True)
class Row:
    """One of the six: `title` stands in tables, `about` says what one sees in its runs."""

    name: str
    title: str
    about: str
    settings: dict[str, Any] = field(hash=False)


ROWS = (
    Row(
        "app-released",
        "APP, released code",
        "The published code's two defects, on purpose: weights drawn afresh before scoring, masks multiplied. It ends near 2 % kept.",
        {"method": "app", "pruner": "snip", "tau": NAMED, "semantics": "released-code"},
    ),
    Row(
        "app-deep",
        "APP to 1.9 %",
        "The paper's rule, led to the density where the released code really ends.",
        {"method": "app", "pruner": "snip", "tau": DEEP},
    ),
    Row(
        "osp-deep",
        "OSP at 1.9 %",
        "Pruned once, before the first part, to the density where the released code really ends.",
        {"method": "osp", "pruner": "snip", "tau": DEEP},
    ),
    Row("app", "APP to 37 %", "The paper's rule at the density that the paper names.", {"method": "app", "pruner": "snip", "tau": NAMED}),
    Row("osp", "OSP at 37 %", "Pruned once, before the first part, to 37 % kept.", {"method": "osp", "pruner": "snip", "tau": NAMED}),
    Row("dense", "dense", "The same stream without any pruning.", {"method": "dense"}),
)
BY_NAME = {row.name: row for row in ROWS}


@dataclass(frozen=True)
class Study:
    """The settings that all rows share; 0 images: all there are."""

    megabatches: int = 8
    epochs: int = 3
    image_size: int = 16
    lr: float = 0.05
    batch_size: int = 64
    limit_train: int = 0
    limit_test: int = 0

    def recording(self, row: Row, *, is_augmented: bool) -> Recording:
        """The runs of one row."""
        augmentation = {"crop_padding": self.image_size // 8, "flip": True} if is_augmented else {}
        shared = {
            "dataset": DATASET,
            "arch": "resnet20",
            "megabatches": self.megabatches,
            "epochs": self.epochs,
            "image_size": self.image_size,
            "lr": self.lr,
            "batch_size": self.batch_size,
            "limit_train": self.limit_train,
            "limit_test": self.limit_test,
        }
        ending = ", augmented" if is_augmented else ""
        return Recording(
            f"{_PREFIX}-{self.megabatches}-{row.name}{AUGMENTED if is_augmented else ''}",
            f"Study, {self.megabatches} parts: {row.title}{ending}",
            row.about,
            {**shared, **augmentation, **row.settings},
            SEEDS,
        )

    def recordings(self, rows: tuple[Row, ...] = ROWS, augmentation: tuple[bool, ...] = (False, True)) -> list[Recording]:
        """All rows without augmentation, then with it."""
        return [self.recording(row, is_augmented=is_augmented) for is_augmented in augmentation for row in rows]


STUDIES = {8: Study(), 100: Study(100, epochs=1)}  # by the length of the stream: what docs/STUDY.md shows


def quick(length: int) -> Study:
    """The cheapest form of a study: few images, and so more epochs."""
    return replace(STUDIES[length], limit_train=1600, limit_test=4000, epochs=8, batch_size=32)


def recordings() -> list[Recording]:
    """The recordings of the studies that docs/STUDY.md shows."""
    return [one for study in STUDIES.values() for one in study.recordings()]


def place(name: str) -> tuple[int, str, bool] | None:
    """Length of the stream, row and whether it is augmented, from the name of a recording; None for one of no study."""
    prefix, _, rest = name.partition("-")
    length, _, row = rest.removesuffix(AUGMENTED).partition("-")
    return (int(length), row, name.endswith(AUGMENTED)) if prefix == _PREFIX and row in BY_NAME and length.isdecimal() else None
