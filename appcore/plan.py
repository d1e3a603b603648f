"""The plan: everything that will happen in a run, from its configuration alone. Pure, and free of torch.

The form draws it before anything runs; the progress bar and the ETA read it; a resume is `plan[cursor:]`.
"""

from __future__ import annotations

from dataclasses import replace

from . import plugins
from .config import InputError, RunConfig
from .datasets.base import Description
from .methods.base import Segment


def plan(config: RunConfig) -> tuple[Segment, ...]:
    """The numbered segments of a run."""
    segments = plugins.load("methods", config.method).segments(config)
    return tuple(replace(segment, index=index) for index, segment in enumerate(segments))


def check(config: RunConfig) -> Description:
    """Describe the data (nothing decoded) and refuse what cannot work with it; InputError names field, value and remedy."""
    found = plugins.load("datasets", config.dataset).describe(config)
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
    return found


def train_images(config: RunConfig, description: Description) -> int:
    """Training images in the stream, after limit_train."""
    return min(description.train_images, config.limit_train or description.train_images)


def part_sizes(total: int, megabatches: int) -> list[int]:
    """Sizes of T nearly equal parts, the larger ones first (as numpy's array_split)."""
    small, extra = divmod(total, megabatches)
    return [small + (t < extra) for t in range(megabatches)]


def split_sizes(size: int, val_fraction: float) -> tuple[int, int]:
    """(train, validation) images of one megabatch; at least one for validation."""
    val = max(1, round(size * val_fraction))
    return size - val, val


def samples(config: RunConfig, description: Description) -> list[int]:
    """Training images of one epoch at each megabatch, replay included."""
    parts = [split_sizes(size, config.val_fraction)[0] for size in part_sizes(train_images(config, description), config.megabatches)]
    if config.replay == "full":
        return [sum(parts[: t + 1]) for t in range(len(parts))]
    if config.replay == "one":
        return [sum(parts[max(0, t - 1) : t + 1]) for t in range(len(parts))]
    if config.replay == "buffer":
        held = split_sizes(config.buffer_size, config.val_fraction)[0]
        return [parts[t] + min(held, sum(parts[:t])) for t in range(len(parts))]
    return parts


def total_samples(config: RunConfig, description: Description) -> int:
    """Training images that the whole plan passes through the network, repeats counted."""
    per_epoch = samples(config, description)
    return sum(per_epoch[segment.megabatch] for segment in plan(config) if segment.kind == "epoch")
