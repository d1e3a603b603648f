"""The plan: all segments of a run, from its configuration alone. Pure, and free of torch.

The form draws it before anything runs; the progress bar and the ETA read it; a resume is `plan[cursor:]`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from .. import plugins
from ..config import RunConfig
from ..datasets.base import Description
from ..errors import InputError
from ..methods.base import Segment
from ..names import counted
from . import class_stream
from .stream_sizes import samples, segment_samples, split_sizes, train_images

LEAST_TRAINED = 2  # images of each megabatch: BatchNorm cannot train on one
MOST_SEGMENTS = 100_000  # a longer plan would take a form's time and memory, and years to carry out


def plan(config: RunConfig) -> tuple[Segment, ...]:
    """The numbered segments of a run."""
    segments = plugins.load("methods", config.method).segments(config)
    if config.reinit:
        segments = _with_fresh_values(segments)
    return tuple(replace(segment, index=index) for index, segment in enumerate(segments))


def _with_fresh_values(segments: Iterable[Segment]) -> Iterator[Segment]:
    """A reinit segment before the training of each megabatch but the first, after the prune point that opens it."""
    latest = 0
    for segment in segments:
        if segment.megabatch > latest and segment.kind != "prune":
            latest = segment.megabatch
            yield Segment("reinit", segment.megabatch, density=segment.density, round=segment.round)
        yield segment


def check(config: RunConfig) -> Description:
    """Describe the data (nothing decoded) and refuse settings that do not fit it; InputError names field, value and remedy."""
    found = plugins.load("datasets", config.dataset).describe(config)
    most = found.train_images // len(found.classes)
    if config.shots > most:
        raise InputError(
            f"shots: {config.shots} of each of {len(found.classes)} classes are more than the "
            f"{counted(found.train_images, 'training image')} of {config.dataset}; "
            f"choose {f'at most {most}' if most else '0, which takes all'}",
            "shots",
        )
    class_stream.check(config, found)
    _check_megabatches(config, train_images(config, found))
    _check_classes(config, found)
    if config.crop_padding >= max(found.shape[1:]):
        raise InputError(
            f"crop_padding: {config.crop_padding} pixels would push whole images of {found.shape[1]}x{found.shape[2]} out of the crop; "
            f"choose less than {max(found.shape[1:])}",
            "crop_padding",
        )
    method = plugins.load("methods", config.method)
    if sum(1 for _ in islice(method.segments(config), MOST_SEGMENTS + 1)) > MOST_SEGMENTS:
        raise InputError(
            f"epochs: {config.epochs} for each megabatch (of {config.megabatches}) make a plan of more than {MOST_SEGMENTS:,} steps; "
            "choose fewer epochs, megabatches or rounds",
            "epochs",
        )
    if hasattr(method, "check"):
        method.check(config, samples(config, found))
    return found


def _check_megabatches(config: RunConfig, images: int) -> None:
    """InputError unless every megabatch has an image to validate with and two to train on; it names what would do."""

    def trained(size: int) -> int:
        return split_sizes(size, config.val_fraction)[0]

    if trained(images // config.megabatches) >= LEAST_TRAINED:
        return
    if images <= LEAST_TRAINED:
        field = "limit_train" if config.limit_train else "shots" if config.shots else "dataset"
        raise InputError(
            f"{field}: {counted(images, 'training image')} in all; give at least {LEAST_TRAINED + 1}: "
            "two to train on and one to validate with",
            field,
        )
    enough = bisect_left(range(images + 1), LEAST_TRAINED, key=trained)  # what is left to train on never falls with the size
    if enough > images:
        most = math.floor(1000 * (images - LEAST_TRAINED) / images) / 1000
        raise InputError(
            f"val_fraction: {config.val_fraction:g} of {images} training images leaves {trained(images)} to train on, and two are needed; "
            f"choose at most {most:g}, or more images",
            "val_fraction",
        )
    raise InputError(
        f"megabatches: {config.megabatches} megabatches of {images} images leave fewer than two to train on in each, when the share "
        f"{config.val_fraction:g} is held out; choose at most {images // enough}",
        "megabatches",
    )


def _check_classes(config: RunConfig, found: Description) -> None:
    """InputError where the classes of a megabatch have too few images."""
    if not config.classes_per_megabatch:
        return
    brought = class_stream.sizes(config, found)
    least = min(brought)
    if split_sizes(least, config.val_fraction)[0] < LEAST_TRAINED:
        raise InputError(
            f"classes_per_megabatch: megabatch {brought.index(least) + 1} brings {counted(least, 'training image')}, of which two must be "
            "left when some are held out for validation; choose more classes for each, or more images",
            "classes_per_megabatch",
        )


def total_epochs(config: RunConfig) -> int:
    """Epochs of the whole plan, rounds included; of a plan that is refused for its length (MOST_SEGMENTS) those counted so far."""
    segments = islice(plugins.load("methods", config.method).segments(config), MOST_SEGMENTS)
    return sum(segment.kind == "epoch" for segment in segments)


def total_samples(config: RunConfig, description: Description) -> int:
    """Training images that the whole plan passes through the network, repeats counted; with patience, the most there can be."""
    per_epoch = samples(config, description)
    return sum(segment_samples(config, per_epoch, segment) for segment in plan(config))
