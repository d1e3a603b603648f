"""Whether a network can take the images and the batches of a run: found from shapes alone, before anything is written."""

from __future__ import annotations

from functools import lru_cache

from ..config import RunConfig
from ..datasets.base import Description
from ..errors import InputError
from ..masks import selection
from ..models import own_code, start_weights
from ..models.base import skeleton, takes_one_image
from ..planning.plan import plan
from ..planning.relevance import is_relevant, lone_images
from ..quotas import by_layer, fitted
from . import flops

SIDES = (16, 20, 24, 28, 32, 40, 48, 56, 64, 75, 80, 96, 112, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512)  # in use somewhere


def check(config: RunConfig, found: Description) -> None:
    """InputError for a network that cannot take these images or a batch of one, or that has no layer which may be pruned."""
    own_code.check(config.arch)  # each time: what is allowed, and where, can change
    if config.weights:
        start_weights.check(skeleton(config.arch, found.shape, len(found.classes)), config.weights)
    can_be_sized = is_relevant("image_size", config.model_dump())
    at_zero = can_be_sized and config.image_size == 0
    _check(config.arch, found.shape, len(found.classes), config.prunable, config.exempt, lone_images(config), can_be_sized, at_zero)
    _check_goal(config, found)


@lru_cache(maxsize=64)  # an ablation asks the same for each of its runs
def _check(
    arch: str,
    shape: tuple[int, int, int],
    classes: int,
    prunable: str,
    exempt: tuple[str, ...],
    lone: tuple[str, ...],
    can_be_sized: bool,
    at_zero: bool,
) -> None:
    try:
        model = skeleton(arch, shape, classes)
    except InputError as error:
        side = _side(arch, shape, classes) if can_be_sized and error.__cause__ else 0  # without a cause there is no such network
        if not side:
            raise
        why = f" (at 0 these images come as {shape[2]} x {shape[1]} pixels)" if at_zero else ""
        reason = error.message.removeprefix(f"{error.field}: ")
        raise InputError(f"image_size: {reason}; choose image_size {side}, which it takes{why}", "image_size") from error
    selection.prunable_names(model, prunable, exempt)
    if lone and not takes_one_image(model, shape):
        raise InputError(
            f"{lone[0]}: 1 is too small for {arch} on these images: BatchNorm cannot train on one image where one value per channel is "
            "left of it; choose at least 2",
            lone[0],
        )


def _check_goal(config: RunConfig, found: Description) -> None:
    """InputError for densities of layers that are not there, and for a share of the FLOPs that what is not pruned costs alone."""
    if config.counts_weights:
        return
    sizes = _sizes(config.arch, found.shape, len(found.classes), config.prunable, config.exempt)
    if config.densities:
        fitted(by_layer(config.densities), list(sizes))
    else:
        flops.count(config.arch, found.shape, len(found.classes)).costs(sizes).budget(plan(config)[-1].density, sizes)


@lru_cache(maxsize=64)
def _sizes(arch: str, shape: tuple[int, int, int], classes: int, prunable: str, exempt: tuple[str, ...]) -> dict[str, int]:
    """How many weights each layer has that may be pruned."""
    model = skeleton(arch, shape, classes)
    return {name: model.get_parameter(name).numel() for name in selection.prunable_names(model, prunable, exempt)}


def _side(arch: str, shape: tuple[int, int, int], classes: int) -> int:
    """The next larger side that the network takes; 0 where there is none."""
    for side in SIDES:
        if side > min(shape[1:]):
            try:
                skeleton(arch, (shape[0], side, side), classes)
            except InputError:
                continue
            return side
    return 0
