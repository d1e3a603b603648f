"""The recorded runs that come with the program: name, title, what one sees, settings and seeds. `python -m appcore record` makes them.

A run of a recording has the same id in every store: `run_id("app-snip", 0)` is `recorded-app-snip-0`. Images are those of a zip of CIFAR-10
(`images:cifar10-small.zip`, 5,000 and 1,000 of them), of which each seed draws its own; the folder that the zip lies in is no part of a
recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..config import RunConfig, build
from ..errors import InputError
from ..names import display
from . import study
from .recording import COMMON, DATASET, Recording, run_id

__all__ = ["DATASET", "Recording", "run_id"]


@dataclass(frozen=True)
class Scored:
    """A network at its initial values whose scores by some criteria come with the program, for the page What if."""

    name: str
    title: str
    settings: dict[str, Any]
    criteria: tuple[str, ...] = ("snip", "magnitude", "synflow")

    @property
    def config(self) -> RunConfig:
        """The settings that draw it and its scoring images."""
        return build({**COMMON, **self.settings})


@dataclass(frozen=True)
class Picture:
    """A question of the gallery, and the curves that its small picture shows: for each a name and its recordings.

    A curve is `measure` (of analysis/measures, or first_layer: its share kept) over the stream, or over the sparsity: one point for each
    megabatch or round, the mean over the seeds.
    """

    name: str
    title: str
    about: str
    curves: dict[str, tuple[str, ...]]
    measure: str
    over: Literal["stream", "sparsity"] = "stream"

    @property
    def recordings(self) -> list[str]:
        """The recordings of all curves."""
        return [name for names in self.curves.values() for name in names]


# A stream of eight: few images and no augmentation, so that the training images are learned by heart and the gap is wide.
_STREAM = {"arch": "resnet20", "limit_train": 480, "limit_test": 1000, "megabatches": 8, "epochs": 6, "lr": 0.05, "batch_size": 32}
_LONG = {**_STREAM, "limit_train": 500, "limit_test": 200, "megabatches": 100, "epochs": 2, "budget": 240}
_ONCE = {"arch": "mlp", "limit_train": 2000, "limit_test": 1000, "megabatches": 1, "epochs": 10, "lr": 0.02, "batch_size": 64}
_IMP = {"arch": "mlp", "method": "imp", "prunable": "all", "limit_train": 4000, "limit_test": 1000, "megabatches": 1, "epochs": 12}
_IMP |= {"pruner": "magnitude", "lr": 0.02, "batch_size": 64, "tau": 12.0, "options": {"rate": 0.36}}
_CS = {**_STREAM, "method": "cs", "megabatches": 1, "epochs": 8, "options": {"search_rounds": 3, "rewind_epoch": 2}}
_DEEP = 17.76  # tau at which paper semantics end at density 0.019, where the released code does
_COLLAPSE = {366: 4.5, 107: 10.0, 23: 17.0, 5: 24.0, 1: 30.0}  # density at the end in thousandths: tau
_CRITERIA = {"snip": display("snip"), "magnitude": display("magnitude").lower()}


def _app(**settings: Any) -> dict[str, Any]:
    return {**_STREAM, "method": "app", "pruner": "snip", "tau": 4.5, **settings}


RECORDINGS: tuple[Recording, ...] = (
    Recording(
        "app-snip", "APP with SNIP", "Eight parts of the data, a little pruned before each, by what the loss feels, to 37 % kept.", _app()
    ),
    Recording(
        "app-magnitude",
        "APP with magnitude",
        "The same stream and the same numbers of weights, the smallest pruned first.",
        _app(pruner="magnitude"),
    ),
    Recording("dense", "Never pruned", "The same stream without any pruning.", {**_STREAM, "method": "dense"}),
    Recording("osp-snip", "Pruned once", "All 63 % are removed before the first part arrives.", _app(method="osp")),
    Recording(
        "app-released",
        "APP, released code",
        "The published code's two defects, on purpose: it ends near 2 % kept, not 37 %.",
        _app(semantics="released-code"),
    ),
    Recording(
        "app-snip-deep",
        "APP with SNIP to 1.9 %",
        "The paper's rule at the density where the released code really ends.",
        _app(tau=_DEEP),
    ),
    Recording(
        "osp-snip-deep",
        "Pruned once to 1.9 %",
        "All at once to the density where the released code really ends.",
        _app(method="osp", tau=_DEEP),
    ),
    Recording(
        "app-no-replay",
        "APP with SNIP, no replay",
        "The same stream, but each part is seen once and put away.",
        _app(replay="none"),
    ),
    Recording("long-dense", "100 parts, never pruned", "A hundred small parts without any pruning.", {**_LONG, "method": "dense"}, (0,)),
    Recording(
        "long-app", "100 parts, APP with SNIP", "A hundred small parts, a little pruned before each, to 37 % kept.", _app(**_LONG), (0,)
    ),
    Recording(
        "long-released",
        "100 parts, released code",
        "A hundred parts with the published code's defects: below 2 % kept at the end.",
        _app(**_LONG, semantics="released-code"),
        (0,),
    ),
    Recording("imp-ticket", "Lottery ticket", "Six rounds of training, pruning by magnitude and rewinding, to 7 % kept.", {**_IMP}),
    Recording(
        "imp-control",
        "Ticket's mask, new values",
        "The same masks, but the last training starts from fresh initial values.",
        {**_IMP, "options": {**_IMP["options"], "control": "reinit"}},  # type: ignore[dict-item]
    ),
    Recording("cs", "Continuous sparsification", "Masks learned by gradient descent: how much stays is found, not set.", _CS, (0,)),
    *(
        Recording(
            f"collapse-{pruner}-{density}",
            f"Pruned once by {word} to {density / 10:g} %",
            "One part of data, pruned once before training: how far can it go?",
            {**_ONCE, "method": "osp", "pruner": pruner, "tau": tau},
            (0,),
        )
        for pruner, word in _CRITERIA.items()
        for density, tau in _COLLAPSE.items()
    ),
)
SCORED: tuple[Scored, ...] = (
    Scored("resnet20", "ResNet-20 on CIFAR-10", {**_STREAM}),
    Scored("vgg16", "VGG-16 on CIFAR-10", {**_STREAM, "arch": "vgg16_bn"}),
)
_BY_NAME = {recording.name: recording for recording in (*RECORDINGS, *study.recordings())}

GALLERY: tuple[Picture, ...] = (
    Picture(
        "which-weights",
        "Who prunes the first layer?",
        "SNIP and magnitude remove equally many weights, from different layers.",
        {word: (f"app-{name}",) for name, word in _CRITERIA.items()},
        "first_layer",
    ),
    Picture(
        "gap",
        "Does pruning close the gap?",
        "Training minus test accuracy over the stream, by how much is kept at the end, and whether it went in steps.",
        {
            "never pruned": ("dense",),
            "37 %, in steps": ("app-snip",),
            "2 %, in steps": ("app-snip-deep",),
            "2 %, at once": ("osp-snip-deep",),
        },
        "clean_gap",
    ),
    Picture(
        "study",
        "Density, or method?",
        "The gap on all of CIFAR-10, by how much is kept at the end, and how it got there.",
        {
            "never pruned": ("study-8-dense",),
            "37 %, in steps": ("study-8-app",),
            "2 %, released code": ("study-8-app-released",),
            "2 %, in steps": ("study-8-app-deep",),
            "2 %, at once": ("study-8-osp-deep",),
        },
        "clean_gap",
    ),
    Picture(
        "released-code",
        "Where does the code really end?",
        "One setting, two readings of it: 37 % kept as the paper says, 2 % as its code does.",
        {"as published": ("app-snip",), "as released": ("app-released",)},
        "sparsity",
    ),
    Picture(
        "long-stream",
        "A hundred parts",
        "With a hundred parts the gap rises, and falls again where little is kept (one seed).",
        {"never pruned": ("long-dense",), "to 37 %": ("long-app",), "released code": ("long-released",)},
        "clean_gap",
    ),
    Picture(
        "lottery",
        "The mask or the values?",
        "A lottery ticket beside the same mask with newly drawn values.",
        {"ticket": ("imp-ticket",), "new values": ("imp-control",)},
        "test_accuracy",
        "sparsity",
    ),
    Picture(
        "collapse",
        "How far can one cut go?",
        "Pruned once before training, from 63 % to 99.9 % removed.",
        {word: tuple(f"collapse-{pruner}-{density}" for density in _COLLAPSE) for pruner, word in _CRITERIA.items()},
        "test_accuracy",
        "sparsity",
    ),
)


def names() -> list[str]:
    """The names of all recordings, in the order of the catalog, without those of the study, which take hours."""
    return [name for name in known() if study.place(name) is None]


def known() -> list[str]:
    """The names of all recordings, those of the study last."""
    return list(_BY_NAME)


def recording(name: str) -> Recording:
    """A recording by its name."""
    if name not in _BY_NAME:
        raise InputError(f"recording: unknown name {name!r}; choose among {', '.join(_BY_NAME)}", "recording")
    return _BY_NAME[name]


def run_ids(name: str) -> list[str]:
    """The ids, in every store, of the runs of a recording, one for each seed."""
    return recording(name).run_ids
