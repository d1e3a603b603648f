"""The events of a run: frozen dataclasses of plain numbers, no tensors. Arrays (masks) go to files, which the driver writes.

Events are distinguished by `kind`, not by class: after a source reload a process has two classes of each name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Layer:
    """A prunable layer: its name in the network, weight shape (out, in, kh, kw) or (out, in), and forward FLOPs for one image."""

    name: str
    shape: tuple[int, ...]
    flops: int

    @property
    def total(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class GraphNode:
    """A node of the network's graph: `kind` is images, layer, or how outputs meet (sum, concatenation, product, join).

    `name` and `shape` are those of a layer's weight, empty elsewhere. `inputs` are the positions of earlier nodes whose outputs it reads;
    `output` is the shape of its own for one image.
    """

    kind: str
    name: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    output: tuple[int, ...]


@dataclass(frozen=True)
class LayerDensity:
    """Counts of one layer at one point of a run: weights kept by the mask, kept weights on an input-to-output path, all weights."""

    name: str
    kept: int
    alive: int
    total: int


@dataclass(frozen=True)
class Started:
    """First event of a run (again after a resume). `hashes` are SHA-256 digests that prove pairing: init, order, scoring, data."""

    kind: ClassVar[Literal["Started"]] = "Started"
    hashes: dict[str, str]
    device: str
    precision: str
    layers: tuple[Layer, ...]
    parameters: int
    train_images: int
    test_images: int
    image_shape: tuple[int, int, int]
    classes: int
    forward_flops: int
    training_flops: int
    notes: tuple[str, ...] = ()
    graph: tuple[GraphNode, ...] = ()  # empty: recorded by an earlier version


@dataclass(frozen=True)
class Progress:
    """One step done, of phase score, train, validate or test (clean training images too). `loss` is None between the steps at which it is
    read from the device."""

    kind: ClassVar[Literal["Progress"]] = "Progress"
    segment: int
    megabatch: int
    epoch: int
    step: int
    steps: int
    samples_seen: int
    loss: float | None = None
    phase: str = "train"


@dataclass(frozen=True)
class Pruned:
    """A prune point. Densities are fractions: requested, counted from the mask, and on an input-to-output path (alive).

    density_effective counts the non-zero weights of the tensors that forward uses. is_named is False where no density can be set for the
    method (cs), or FLOPs are (scope flops): the requested one is then the one that resulted. epoch and round: before which epoch of which
    round this happened.

    `facts` (plain numbers, for JSON): overlap with the previous mask (intersection over union) and overlap_by_chance; born and dead
    weights by layer; collapsed_layers (nothing alive) and collapsed_channels by layer; and where a pruner ranked: critical {layer, kept,
    density}, where a first layer would die, and scores {edges, kept, pruned, threshold, thresholds}, their histogram. flops {requested,
    left}, shares of those of a dense forward pass, where scope is flops. images: twelve test
    images, {places, labels, before, answers}, the last two [class, confidence] of each before and after the cut.
    """

    kind: ClassVar[Literal["Pruned"]] = "Pruned"
    segment: int
    megabatch: int
    density_requested: float
    density_mask: float
    density_effective: float
    density_alive: float
    layers: tuple[LayerDensity, ...]
    seconds: float
    epoch: int = 0
    round: int = 0
    is_named: bool = True
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochDone:
    """Means over one epoch. Train numbers are running means in training mode on augmented images, as in the released code.

    `round` counts passes over the epochs of a megabatch (over the run, from 0), so an epoch of a megabatch can come again with a higher
    round; `segment` is the order of time. `learning_rate` is that of the last step, `grown` the weights that mask updates brought back
    during the epoch.
    """

    kind: ClassVar[Literal["EpochDone"]] = "EpochDone"
    segment: int
    megabatch: int
    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    samples_seen: int
    density: float
    seconds: float
    is_best: bool
    round: int = 0
    grown: int = 0


@dataclass(frozen=True)
class MegabatchDone:
    """End of a megabatch: train and validation numbers of the epoch whose weights are carried on, test numbers of those weights.

    The epoch was chosen by its validation accuracy, which is therefore too good, and train accuracy is a running mean on augmented images:
    `generalization_gap` is the published measure and no more. `clean_train_accuracy` is that of the weights carried on, in evaluation mode,
    on `clean_train_images` of the training images (replay included), and clean_gap = clean_train_accuracy - test_accuracy.
    `parameters` are those of the network that are not pruned, `cumulative_parameters` their sum over the megabatches (memory in ALMA).
    `seen_accuracy` is the test accuracy on the classes that have come so far, None where all come at once; test_accuracy, test_errors and
    cer are of all test images even then, but clean_gap is clean_train_accuracy - seen_accuracy, since training images are of these classes.
    `order_hash` chains every epoch order and augmentation draw that was used up to here. None: recorded by an earlier version.

    `facts` (plain numbers, for JSON; empty: of an earlier version): images, as in Pruned; parts, [part, right, images] of some training
    images that this megabatch and earlier ones brought (engine/shown/looks.py); classes, where they come one after another,
    [name, megabatch that brings it, right, images] of the test images of each class.
    """

    kind: ClassVar[Literal["MegabatchDone"]] = "MegabatchDone"
    segment: int
    megabatch: int
    density_requested: float
    density_mask: float
    density_effective: float
    density_alive: float
    layers: tuple[LayerDensity, ...]
    train_accuracy: float
    val_accuracy: float
    test_accuracy: float
    test_loss: float
    generalization_gap: float
    test_errors: int
    test_images: int
    cer: int
    samples_seen: int
    train_images: int
    seconds: float
    order_hash: str
    clean_train_accuracy: float | None = None
    clean_gap: float | None = None
    clean_train_images: int | None = None
    parameters: int | None = None
    cumulative_parameters: int | None = None
    seen_accuracy: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundDone:
    """End of a round that another round of the same megabatch follows: test numbers of the weights that it would have carried on.

    They are of the epoch that was best by validation, as at the end of a megabatch (of the last epoch where best weights are not restored,
    or where a method evaluates through a network of its own). Nothing in the run depends on them. The last round of a megabatch has
    a MegabatchDone. Versions before this event recorded none.
    """

    kind: ClassVar[Literal["RoundDone"]] = "RoundDone"
    segment: int
    megabatch: int
    round: int
    density_mask: float
    density_alive: float
    layers: tuple[LayerDensity, ...]
    train_accuracy: float
    val_accuracy: float
    test_accuracy: float
    test_loss: float
    test_errors: int
    test_images: int
    seen_accuracy: float | None = None


@dataclass(frozen=True)
class SegmentDone:
    """A segment ended: the state is consistent, `cursor` is where a resume would start."""

    kind: ClassVar[Literal["SegmentDone"]] = "SegmentDone"
    cursor: int


@dataclass(frozen=True)
class Finished:
    """Last event. FLOPs are dense, or sparse: each layer scaled by its density (theoretical).

    train: forward and backward of every training image; scoring: the passes of the criterion; growth: gradients of pruned weights, by which
    weights are brought back; validation; test, clean training images included; total: their sum. None where an earlier version ran.
    """

    kind: ClassVar[Literal["Finished"]] = "Finished"
    seconds: float
    images_per_second: float
    cer: int
    train_flops_dense: int
    train_flops_sparse: int
    peak_memory_bytes: int
    weights_hash: str
    phase_seconds: dict[str, float] = field(default_factory=dict)
    scoring_flops_dense: int | None = None
    scoring_flops_sparse: int | None = None
    growth_flops_dense: int | None = None
    growth_flops_sparse: int | None = None
    validation_flops_dense: int | None = None
    validation_flops_sparse: int | None = None
    test_flops_dense: int | None = None
    test_flops_sparse: int | None = None
    total_flops_dense: int | None = None
    total_flops_sparse: int | None = None
    cumulative_parameters: int | None = None


Event = Started | Progress | Pruned | EpochDone | RoundDone | MegabatchDone | SegmentDone | Finished
