"""Numbers of images at each megabatch of a stream: split, replayed, under a budget; and their division into batches."""

from __future__ import annotations

from ..config import RunConfig
from ..datasets.base import Description, used
from ..methods.base import Segment
from . import class_stream

CLEAN_TRAIN_IMAGES = (
    5000  # of which the clean train accuracy is taken at most: cheap in a long stream, its standard error 0.7 points at most
)


def train_images(config: RunConfig, description: Description) -> int:
    """Training images in the stream, after shots or limit_train."""
    return used(config, description)[0]


def part_sizes(total: int, megabatches: int) -> list[int]:
    """Sizes of T nearly equal parts, the larger ones first (as numpy's array_split)."""
    small, extra = divmod(total, megabatches)
    return [small + (t < extra) for t in range(megabatches)]


def sizes(config: RunConfig, description: Description) -> list[int]:
    """Images that each megabatch brings: equal parts, or those of its classes."""
    if config.classes_per_megabatch:
        return class_stream.sizes(config, description)
    return part_sizes(train_images(config, description), config.megabatches)


def split_sizes(size: int, val_fraction: float) -> tuple[int, int]:
    """(train, validation) images of one megabatch; at least one for validation."""
    val = max(1, round(size * val_fraction))
    return size - val, val


def budgeted(config: RunConfig, images: int) -> int:
    """Training images of one epoch when the budget, which is for all epochs of a megabatch together, limits the images there are."""
    return min(images, config.budget // config.epochs) if config.budget else images


def budgeted_validation(config: RunConfig, images: int) -> int:
    """Validation images of one epoch: under a budget in proportion to its training images, or they would cost more than those."""
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
    parts = [split_sizes(size, config.val_fraction)[0] for size in sizes(config, description)]
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


MOST_WATCHED = 20


def watched_parts(megabatches: int) -> list[int]:
    """The parts of a stream (from 0) whose images are looked at again at the end of later megabatches; of a long one evenly spread."""
    if megabatches < 2:
        return []
    count = min(megabatches, MOST_WATCHED)
    return sorted({round(place * (megabatches - 1) / (count - 1)) for place in range(count)})
