"""The plan: everything that will happen in a run, from its configuration alone. Pure, and free of torch.

The form draws it before anything runs; the progress bar and the ETA read it; a resume is `plan[cursor:]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from .. import plugins
from ..config import InputError, RunConfig
from ..datasets.base import Description
from ..methods.base import Segment

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
    """Describe the data (nothing decoded) and refuse what cannot work with it; InputError names field, value and remedy."""
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


def train_images(config: RunConfig, description: Description) -> int:
    """Training images in the stream, after shots or limit_train."""
    if config.shots:
        return config.shots * len(description.classes)
    return min(description.train_images, config.limit_train or description.train_images)


def part_sizes(total: int, megabatches: int) -> list[int]:
    """Sizes of T nearly equal parts, the larger ones first (as numpy's array_split)."""
    small, extra = divmod(total, megabatches)
    return [small + (t < extra) for t in range(megabatches)]


def split_sizes(size: int, val_fraction: float) -> tuple[int, int]:
    """(train, validation) images of one megabatch; at least one for validation."""
    val = max(1, round(size * val_fraction))
    return size - val, val


def budgeted(config: RunConfig, images: int) -> int:
    """Training images of one epoch, of so many there are: budget is for the epochs of a megabatch together."""
    return min(images, config.budget // config.epochs) if config.budget else images


def budgeted_validation(config: RunConfig, images: int) -> int:
    """Validation images of one epoch: under a budget no more than belong to its training images, or they would be the greater cost."""
    if not config.budget:
        return images
    return min(images, max(1, round(config.budget // config.epochs * config.val_fraction / (1.0 - config.val_fraction))))


def remembered(size: int, age: int, fraction: float) -> int:
    """Images of a part of `size` that are still replayed `age` megabatches later: each megabatch leaves `fraction` of them."""
    return round(size * fraction**age)


def batches(total: int, size: int) -> list[tuple[int, int]]:
    """(start, stop) of batches; a lone last image joins the batch before it, since BatchNorm cannot train on one image."""
    bounds = [(a, min(a + size, total)) for a in range(0, total, size)]
    if len(bounds) > 1 and total - bounds[-1][0] == 1:
        bounds[-2:] = [(bounds[-2][0], total)]
    return bounds


def samples(config: RunConfig, description: Description) -> list[int]:
    """Training images of one epoch at each megabatch, replay and budget included."""
    parts = [split_sizes(size, config.val_fraction)[0] for size in part_sizes(train_images(config, description), config.megabatches)]
    return [budgeted(config, parts[t] + _replayed(config, parts[:t])) for t in range(len(parts))]


def _replayed(config: RunConfig, past: list[int]) -> int:
    """Training images seen again, of those of the earlier megabatches."""
    if config.replay == "buffer":
        return min(split_sizes(config.buffer_size, config.val_fraction)[0], sum(past))
    if config.replay == "fraction":
        return sum(remembered(size, len(past) - t, config.replay_fraction) for t, size in enumerate(past))
    return sum({"full": past, "one": past[-1:], "none": []}[config.replay])


def segment_samples(config: RunConfig, per_epoch: list[int], segment: Segment) -> int:
    """Training images that a segment passes through the network; `per_epoch` as `samples` gives it."""
    if segment.kind != "epoch":
        return 0
    images = per_epoch[segment.megabatch]
    return images - (batches(images, config.batch_size)[segment.skip_steps][0] if segment.skip_steps else 0)


def total_samples(config: RunConfig, description: Description) -> int:
    """Training images that the whole plan passes through the network, repeats counted; with patience, the most there can be."""
    per_epoch = samples(config, description)
    return sum(segment_samples(config, per_epoch, segment) for segment in plan(config))
