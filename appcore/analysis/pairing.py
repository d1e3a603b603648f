"""What two runs, or one run before and after a stop, must have in common: weights, order, images, software and machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError

PAIRING = {"init": "initial weights", "order": "data order", "scoring": "scoring batches", "data": "images and labels"}
THEN = ", then "  # between the versions with which one run was computed: "2.14.0, then 2.15.0"
_PARTS = ("limit_train", "limit_test", "shots")
_CHOOSING = ("dataset", "split", "image_size", "options", *_PARTS)  # settings that decide which images a run has
_DRAWING = ("seed", "subset_seed")  # the same, where only a part is used
_SIZES = {"train_images": "images to train on", "test_images": "images to test on", "classes": "classes", "image_shape": "image shape"}


def pairing(runs: Sequence[Mapping[str, Any]]) -> dict[str, bool | None]:
    """For each pairing hash: True when all partners have the same, False when some differ, None while one is unknown."""
    judged = [_agreement(partners) for partners in partners_of(runs)]
    found: dict[str, bool | None] = {}
    for name in PAIRING:
        values = {one[name] for one in judged}
        found[name] = False if False in values else None if None in values else True
    return found


def partners_of(runs: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The runs that are to be paired: those of one seed, network and data set. All of them, where none has a partner."""
    found: defaultdict[tuple, list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        found[tuple(str((run.get("config") or {}).get(name)) for name in ("seed", "arch", "dataset"))].append(run)
    return [partners for partners in found.values() if len(partners) > 1] or [list(runs)]


def agreeing(runs: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How many sets of partners agree in all that is known of them, and how many there are: 3 of 3."""
    judged = [_agreement(partners) for partners in partners_of(runs)]
    return sum(False not in one.values() for one in judged), len(judged)


def _agreement(runs: Sequence[Mapping[str, Any]]) -> dict[str, bool | None]:
    found: dict[str, bool | None] = {}
    for name in PAIRING:
        values = [(run.get("hashes") or {}).get(name) for run in runs]
        found[name] = None if None in values else len(set(values)) == 1
    return found


def is_without_data_hash(run: Mapping[str, Any]) -> bool:
    """Whether a run began with a version that recorded the other hashes only."""
    return bool(run.get("hashes")) and "data" not in run["hashes"]


def surroundings(runs: Sequence[Mapping[str, Any]]) -> str:
    """In what software and machine the runs differ: "torch 2.14.0 and 2.15.0; cpu AVX2 and AVX512"; empty when in nothing recorded."""
    recorded = [run.get("versions") or {} for run in runs]
    values = {name: sorted({str(found[name]) for found in recorded if name in found}) for found in recorded for name in found}
    return "; ".join(f"{name} {' and '.join(listed)}" for name, listed in values.items() if len(listed) > 1)


def mixes_data(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether runs whose settings choose the same images began with different ones: the data were changed between them."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for run in runs:
        digest = (run.get("hashes") or {}).get("data")
        if digest:
            config = run["config"]
            names = (*_CHOOSING, *_DRAWING) if any(map(config.get, _PARTS)) else _CHOOSING
            found[str([config.get(name) for name in names])].add(digest)
    return any(len(digests) > 1 for digests in found.values())


def continued(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """The versions of a run that goes on: those of its start, each followed by the one that it has now where that is another."""
    found = dict(before or {})
    for name, value in now.items():
        last = str(found.get(name, value)).rpartition(THEN)[2]
        found[name] = found.get(name, value) if last == str(value) else f"{found[name]}{THEN}{value}"
    return found


def require_same_data(dataset: str, then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> None:
    """InputError when the data are not those that a run began with.

    Both have the hash of the data as `data`, and sizes as Started names them; what one of them lacks, as in runs of earlier versions,
    says nothing.
    """
    before, after = ({name: _shown(found[name]) for name in ("data", *_SIZES) if name in found} for found in (then or {}, now))
    changed = [name for name in before if name in after and before[name] != after[name]]
    if changed:
        sizes = [f"{_SIZES[name]} {before[name]}, now {after[name]}" for name in changed if name in _SIZES]
        what, remedy = (
            "; ".join(sizes) or "other pixels, labels or class names",
            "put the data back, or start a new run with these settings",
        )
        raise InputError(f"dataset: {dataset} has changed since the run began ({what}), and a run has one set of data; {remedy}", "dataset")


def _shown(value: Any) -> str:
    """A size as text; a shape is a list where it comes from a store."""
    return " x ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
