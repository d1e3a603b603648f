"""The class-incremental stream: which classes each megabatch brings, and how many training images of each. Free of torch.

With `classes_per_megabatch` a megabatch brings all training images of so many new classes and none of others: class-incremental learning
(van de Ven and Tolias, arXiv 1904.07734). The network has an output for every class from the start, and is not told which have come.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import seeds
from ..config import RunConfig
from ..datasets.base import Description
from ..errors import InputError
from ..names import counted


def parts(config: RunConfig, classes: Sequence[str]) -> list[list[int]]:
    """The classes (from 0) that each megabatch brings; none where every megabatch brings all."""
    size, found = config.classes_per_megabatch, order(config, classes)
    return [found[start : start + size] for start in range(0, len(found), size)] if size else []


def order(config: RunConfig, classes: Sequence[str]) -> list[int]:
    """The order in which classes (from 0) arrive: the given one, that of the data set with order=native, else drawn by the seed."""
    if config.class_order:
        return _given(config.class_order, classes)
    if config.order == "native":
        return list(range(len(classes)))
    return sorted(range(len(classes)), key=lambda label: seeds.key(config.seed, "class order", label))


def _given(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Classes by name, or by number where no class has that name."""
    known = {name: label for label, name in enumerate(classes)}
    numbers = {str(label): label for label in range(len(classes))}
    found = []
    for name in names:
        label = known.get(name, numbers.get(name))
        if label is None:
            some = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
            problem = f"{name!r} is no class of this data set; there are {some}, or 0 to {len(classes) - 1}"
            raise InputError(f"class_order: {problem}", "class_order")
        found.append(label)
    if len(set(found)) < len(found) or len(found) < len(classes):
        raise InputError(
            f"class_order: it names {len(set(found))} of {counted(len(classes), 'class')}, in {counted(len(found), 'place')}; "
            "name each class once",
            "class_order",
        )
    return found


def check(config: RunConfig, found: Description) -> None:
    """InputError unless the megabatches bring every class once and the images of each class are known."""
    size, count = config.classes_per_megabatch, len(found.classes)
    if not size:
        return
    if not found.per_class:
        raise InputError(
            f"classes_per_megabatch: {config.dataset} does not say how many images each class has; set it to 0, or choose another data set",
            "classes_per_megabatch",
        )
    wanted = -(-count // size)
    if config.megabatches != wanted:
        raise InputError(
            f"classes_per_megabatch: {size} of {counted(count, 'class')} at a time are {counted(wanted, 'megabatch')}, "
            f"not {config.megabatches}; set megabatches to {wanted}",
            "classes_per_megabatch",
        )
    order(config, found.classes)


def sizes(config: RunConfig, found: Description) -> list[int]:
    """Training images that each megabatch brings."""
    used = drawn(config, found.per_class)
    return [sum(used[label] for label in part) for part in parts(config, found.classes)]


def drawn(config: RunConfig, per_class: Sequence[int]) -> list[int]:
    """Training images of each class in the stream, after shots or limit_train, which leaves each class its share."""
    total = sum(per_class)
    if config.shots:
        return [min(config.shots, count) for count in per_class]
    if not 0 < config.limit_train < total:
        return list(per_class)
    used = [config.limit_train * count // total for count in per_class]
    lost = [config.limit_train * count % total for count in per_class]
    for label in sorted(range(len(used)), key=lambda label: -lost[label])[: config.limit_train - sum(used)]:
        used[label] += 1
    return used
