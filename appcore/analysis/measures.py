"""Registry of all numbers shown: name, unit, digits, which way is better, and meaning; for tables, charts, exports and reports.

A name is that of the store where there is one, so it is also the head of exported columns. Knows neither torch nor the store.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

_COUNTS = ("errors", "images", "parameters", "layers")


@dataclass(frozen=True)
class Measure:
    """`factor` converts a stored number to `unit`; `better` is 1 (higher), -1 (lower) or 0 (neither); `short` is for narrow columns."""

    name: str
    label: str
    short: str
    unit: str
    factor: float
    better: int
    digits: int
    help: str

    @property
    def head(self) -> str:
        """The heading of a column: Gap, points."""
        return f"{self.short}, {self.unit}"

    @property
    def title(self) -> str:
        """The title of an axis: Generalization gap, points."""
        return f"{self.label}, {self.unit}"

    @property
    def about(self) -> str:
        """What it is, how it is read, and what would be surprising."""
        better = {1: "Higher is better.", -1: "Lower is better.", 0: ""}[self.better]
        told = "" if "is better" in self.help else better
        return " ".join(filter(None, (f"{self.help}.", told, _SURPRISING.get(self.name, ""))))

    @property
    def is_difference(self) -> bool:
        """Whether it is written with a sign."""
        return self.unit == "points"

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the most that a number in `unit` can be."""
        return {"%": (0.0, 100.0), "points": (-100.0, 100.0)}.get(self.unit, (0.0, math.inf))

    @property
    def difference_unit(self) -> str:
        """The unit of a difference of two such numbers."""
        return "points" if self.unit == "%" else self.unit

    @property
    def difference_limits(self) -> tuple[float, float]:
        """The least and the most that a difference of two such numbers can be."""
        low, high = self.limits
        return low - high, high - low

    @property
    def is_count(self) -> bool:
        """Whether it is a whole number, written with thousands separators."""
        return self.unit in _COUNTS

    def shown(self, value: Any) -> Any:
        """A stored number (or a column of them) in `unit`."""
        return value * self.factor

    def text(self, value: float | None) -> str:
        """A number in `unit` without it: +2.1, 63.36, 1,204; a dash where there is none."""
        if value is None or math.isnan(value):
            return "–"
        return f"{value:{'+' if self.is_difference else ''},.{self.digits}f}"


def _fraction(name: str, label: str, better: int, digits: int, help: str, short: str = "") -> Measure:
    return Measure(name, label, short or label, "%", 100, better, digits, help)


def _points(name: str, label: str, help: str, short: str = "") -> Measure:
    return Measure(name, label, short or label, "points", 100, -1, 1, help)


def _plain(name: str, label: str, unit: str, better: int, digits: int, help: str, short: str = "") -> Measure:
    return Measure(name, label, short or label, unit, 1, better, digits, help)


def _flops(purpose: str, label: str, help: str) -> tuple[Measure, Measure]:
    dense, sparse = f"{label}, dense", f"{label}, sparse (theoretical)"
    return (
        Measure(f"{purpose}_flops_dense", dense, dense, "TFLOP", 1e-12, -1, 3, help),
        Measure(
            f"{purpose}_flops_sparse", sparse, f"{label}, sparse", "TFLOP", 1e-12, -1, 3,
            f"{help}: what zeros that cost nothing would leave of it; masks alone make nothing faster",
        ),
    )  # fmt: skip


PURPOSES = ("train", "scoring", "growth", "validation", "test", "total")  # of FLOPs, the sum last
_ALL = (
    _fraction("accuracy", "Accuracy", 1, 1, "Share of the images that are classified correctly"),
    _fraction("train_accuracy", "Train accuracy", 1, 1, "Share of the training images classified correctly during the epoch, augmented"),
    _fraction("val_accuracy", "Validation accuracy", 1, 1, "Share of the held-out training images classified correctly"),
    _fraction("test_accuracy", "Test accuracy", 1, 1, "Share of the test images classified correctly after the newest finished megabatch"),
    _fraction(
        "seen_accuracy", "Test accuracy, classes seen", 1, 1,
        "Share of the test images of the classes that have come so far that are classified correctly, in a class-incremental stream",
        "Seen classes",
    ),
    _points("generalization_gap", "Generalization gap", "Train minus validation accuracy, as published", "Gap"),
    _fraction(
        "clean_train_accuracy", "Clean train accuracy", 1, 1,
        "Share of the training images (5,000 at most) that the weights carried on classify correctly, without augmentation", "Clean train",
    ),
    _points("clean_gap", "Clean gap", "Clean train minus test accuracy of the weights carried on; none of these images chose the epoch"),
    _points(
        "average_forgetting", "Average forgetting",
        "The best accuracy that each earlier part of the stream has had, minus that of now, on average (arXiv 1801.10112)",
    ),
    Measure(
        "backward_transfer", "Backward transfer", "Backward transfer", "points", 100, 1, 1,
        "Accuracy on each earlier part of the stream now, minus that at the end of its own megabatch, on average (arXiv 1706.08840)",
    ),
    _plain("test_errors", "Test errors", "errors", -1, 0, "Misclassified test images after a megabatch"),
    _plain("cer", "CER", "errors", -1, 0, "Cumulative error rate: misclassified test images, summed over the megabatches; lower is better"),
    _points("relative_error", "Anytime relative error", "Change of the share of wrong test images from one megabatch to the next"),
    _plain("loss", "Loss", "nats per image", -1, 3, "Cross-entropy"),
    _plain("train_loss", "Train loss", "nats per image", -1, 3, "Cross-entropy of the training images during the epoch, augmented"),
    _plain("val_loss", "Validation loss", "nats per image", -1, 3, "Cross-entropy of the held-out training images"),
    _plain("test_loss", "Test loss", "nats per image", -1, 3, "Cross-entropy of the test images"),
    _fraction("sparsity", "Sparsity", 0, 2, "Share of the prunable weights that are removed, counted from the mask"),
    _fraction("density_requested", "Density requested", 0, 2, "Share of the prunable weights that the schedule asks to keep"),
    _fraction("density_mask", "Density of the mask", 0, 2, "Share of the prunable weights that the mask keeps, counted"),
    _fraction("density_effective", "Density in forward", 0, 2, "Share of non-zero weights in the tensors that the forward pass uses"),
    _fraction("density_alive", "Density alive", 0, 2, "Share of weights that are kept and on a path from input to output", "Alive"),
    Measure("size", "Size", "Size", "MB", 1e-6, -1, 2, "Zeros left out: 4 bytes for each kept weight and one bit for each prunable one"),
    *_flops("train", "Training FLOPs", "Forward and backward of every training image"),
    *_flops("scoring", "Scoring FLOPs", "The passes by which criteria rank weights"),
    *_flops("growth", "Growth FLOPs", "Gradients of pruned weights, by which RigL and APGP bring weights back"),
    *_flops("validation", "Validation FLOPs", "Forward of every validation image"),
    *_flops("test", "Test FLOPs", "Forward of the test images and of the training images that the clean train accuracy takes"),
    *_flops("total", "All FLOPs", "Training, scoring, growth, validation and tests together"),
    _fraction("flops_share", "Training FLOPs left (theoretical)", -1, 0, "Sparse training FLOPs as a share of dense ones", "FLOPs left"),
    _fraction(
        "forward_flops_share", "Forward FLOPs left (theoretical)", -1, 1,
        "If work shrank with density; masks alone make nothing faster", "FLOPs left",
    ),
    Measure(
        "forward_flops", "Forward FLOPs left per image", "Forward", "MFLOP", 1e-6, -1, 2,
        "Multiplications and additions for one image, zeros left out",
    ),
    _fraction("least_kept", "Emptiest layer keeps", 0, 2, "The smallest share that any layer keeps of its weights", "Emptiest layer"),
    _plain("empty_layers", "Empty layers", "layers", -1, 0, "Layers without a weight: nothing passes, unless a skip leads around", "Empty"),
    _fraction("first_empty_sparsity", "First layer empty at", 0, 3, "Sparsity from which one layer has no weight left", "First empty at"),
    _plain("seconds", "Time", "s", -1, 1, "For training and scoring; waiting and pauses are left out"),
    _plain("eta_seconds", "Time left", "s", -1, 0, "From the plan and the measured speed"),
    _plain("images_per_second", "Speed", "images/s", 1, 0, "Training images per second, measured"),
    Measure("peak_memory_bytes", "Peak memory", "Memory", "MB", 1e-6, -1, 0, "The most that the process or the GPU holds"),
    _plain("samples_seen", "Training images", "images", 0, 0, "Images trained on, repeats counted"),
    _plain("parameters", "Parameters left", "parameters", -1, 0, "Parameters of the network that are not pruned"),
    _plain(
        "cumulative_parameters", "Cumulative parameters", "parameters", -1, 0,
        "Parameters left, summed over the megabatches: the memory of ALMA (arXiv 2106.09563)", "Sum of sizes",
    ),
)  # fmt: skip
_SURPRISING = {  # what would be, in these numbers
    "test_accuracy": "Surprising: far below the validation accuracy, or above it.",
    "val_accuracy": "Surprising: far above the test accuracy.",
    "generalization_gap": "Near 0 it does not overfit. Surprising: far below 0.",
    "clean_gap": "Surprising: larger than the published gap.",
    "cer": "Surprising: the lowest CER with a low last accuracy, or the other way round.",
    "sparsity": "Surprising: other than what was asked for.",
    "density_alive": "Surprising: clearly below the density of the mask.",
    "flops_share": "Surprising: time that falls with it; masks save none.",
    "seconds": "Surprising: a sparse run that is much faster than a dense one.",
    "images_per_second": "Surprising: a tenth of what the same network did before; the machine may be busy.",
    "peak_memory_bytes": "Surprising: less than dense; masks take memory, they save none.",
}
MEASURES = {measure.name: measure for measure in _ALL}

# What is recorded at the end of each megabatch and of a run, in the order of `run --json`.
OF_MEGABATCH = (
    "density_requested",
    "density_mask",
    "density_effective",
    "density_alive",
    "train_accuracy",
    "val_accuracy",
    "test_accuracy",
    "seen_accuracy",
    "generalization_gap",
    "clean_train_accuracy",
    "clean_gap",
    "test_errors",
    "cer",
    "samples_seen",
    "parameters",
    "cumulative_parameters",
    "seconds",
)
OF_RUN = (
    *("seconds", "images_per_second", "cer", "cumulative_parameters"),
    *(f"{purpose}_flops_{kind}" for purpose in PURPOSES for kind in ("dense", "sparse")),
    "peak_memory_bytes",
)


def newest(run: Mapping[str, Any], end: Mapping[str, Any] | None) -> dict[str, float]:
    """The newest numbers of a run as they are stored (fractions, bytes, FLOPs), by name; NaN for what is not known yet.

    `end` is the row of its last finished megabatch, None while there is none.
    """
    end, totals = end or {}, run.get("totals") or {}
    names = ("test_accuracy", "val_accuracy", "generalization_gap", "clean_gap", "cer", "density_alive", "cumulative_parameters")
    found = {name: end.get(name) for name in names}
    found |= {"sparsity": 1 - end["density_mask"] if end else None, "size": _size(run, end["density_mask"]) if end else None}
    found |= {name: totals.get(name) for name in OF_RUN if name not in found}
    dense, sparse = totals.get("train_flops_dense"), totals.get("train_flops_sparse")
    found["flops_share"] = sparse / dense if dense and sparse is not None else None
    return {name: math.nan if value is None else float(value) for name, value in found.items()}


def _size(run: Mapping[str, Any], density: float) -> float | None:
    """Bytes of the model without its zeros, as on the page What if: 4 for each kept weight, one bit for each prunable one."""
    started = run.get("started") or {}
    if not started.get("parameters"):
        return None
    prunable = sum(layer["total"] for layer in started["layers"])
    return 4 * (started["parameters"] - prunable * (1 - density)) + prunable / 8


def lower(text: str) -> str:
    """A label or help text for the middle of a sentence: first letter in lower case, except in abbreviations."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def fraction_kept(counts: Any) -> Any:
    """The fraction of weights kept, from rows (or anything else) with `kept` and `total`; NaN where these are unknown."""
    return counts["kept"] / counts["total"]


def glossary() -> pd.DataFrame:
    """The registry as a table, for exports: one row per number."""
    columns = ("name", "label", "unit", "factor", "better", "help")
    return pd.DataFrame([[getattr(measure, column) for column in columns] for measure in _ALL], columns=list(columns))
