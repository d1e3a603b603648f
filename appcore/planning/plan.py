"""The plan: all segments of a run, from its configuration alone. Pure, and free of torch.

The form draws it before anything runs; the progress bar and the ETA read it; a resume is `plan[cursor:]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from .. import plugins
from ..config import RunConfig
from ..datasets.base import Description
from ..errors import InputError
from ..methods.base import Segment
from .stream_sizes import samples, segment_samples, split_sizes, train_images

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
    if config.shots * len(found.classes) > found.train_images:
        raise InputError(
            f"shots: {config.shots} of each of {len(found.classes)} classes are more than the {found.train_images} training images of "
            f"{config.dataset}; choose at most {found.train_images // len(found.classes)}",
            "shots",
        )
    images = train_images(config, found)
    smallest = images // config.megabatches
    if smallest < 1:
        raise InputError(
            f"megabatches: {config.megabatches} megabatches need at least as many training images, but {config.dataset} gives {images}; "
            f"choose at most {images // 4}",
            "megabatches",
        )
    val = split_sizes(smallest, config.val_fraction)[1]
    if smallest - val < 2:
        raise InputError(
            f"megabatches: {config.megabatches} megabatches of {images} images leave {smallest - val} to train on in each; "
            f"choose at most {images // 4} megabatches or a smaller val_fraction than {config.val_fraction:g}",
            "megabatches",
        )
    if config.crop_padding >= max(found.shape[1:]):
        raise InputError(
            f"crop_padding: {config.crop_padding} pixels would push whole images of {found.shape[1]}x{found.shape[2]} out of the crop; "
            f"choose less than {max(found.shape[1:])}",
            "crop_padding",
        )
    method = plugins.load("methods", config.method)
    if sum(1 for _ in islice(method.segments(config), MOST_SEGMENTS + 1)) > MOST_SEGMENTS:
        raise InputError(
            f"epochs: {config.epochs} for each of {config.megabatches} megabatches make a plan of more than {MOST_SEGMENTS:,} steps; "
            "choose fewer epochs, megabatches or rounds",
            "epochs",
        )
    if hasattr(method, "check"):
        method.check(config, samples(config, found))
    return found


def total_samples(config: RunConfig, description: Description) -> int:
    """Training images that the whole plan passes through the network, repeats counted; with patience, the most there can be."""
    per_epoch = samples(config, description)
    return sum(segment_samples(config, per_epoch, segment) for segment in plan(config))
