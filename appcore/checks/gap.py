"""Experiment 8: the claims of the APP paper on accuracy, errors and gap, at the densities that were compared and at equal ones.

The rows are those of the study (recordings/study.py), which has them at full scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..analysis.measures import MEASURES, lower
from ..analysis.samples import Sample, above_zero, at_least, worst
from ..events import MegabatchDone
from ..recordings.study import ROWS
from .experiment import Finding, Lab, Part, Record, about, markdown

NUMBER, TITLE = 8, "APP against one-shot and dense"
CLAIM = (
    "APP has a smaller generalization gap than OSP and dense, is more accurate and makes fewer errors over the stream, and its gap rises "
    "and falls again: as published, where its code ends at 1.9 % of the weights beside OSP at 37 %, and at equal density."
)
SOURCE = (
    "arXiv 2204.01640: ResNet-50, CIFAR-100, T = 8: accuracy +17.97 over dense and +11.12 over OSP, gap -20.49 and -14.79 points, CER "
    "-9927 and -5533 of 80,000 tests. Its APP ran at the densities of experiment 2, far below OSP's"
)
REMARKS = (
    "Networks and images differ from the paper's, so *half the published effect* is asked for, where another number is not named: an "
    "interval above it confirms the claim, one below it refutes it here, however certain a smaller difference is.",
    "The gap is that of the weights carried on: accuracy on training images without augmentation, in evaluation mode, minus test accuracy.",
    "Accuracy at the end is the weakest of the numbers: dense alone moves by more than 3 points between two seeds.",
    "What would change our mind: an interval at equal density that lies beyond half the published effect, at any scale. `python -m appcore "
    "study` runs the same rows on all images (docs/STUDY.md).",
)
MAGNITUDE = "app-magnitude"
TITLES = {row.name: row.title for row in ROWS} | {MAGNITUDE: "APP to 37 %, magnitude"}
SETTINGS = {row.name: row.settings for row in ROWS} | {MAGNITUDE: {"method": "app", "pruner": "magnitude", "tau": 4.5}}
HALF = {  # of the published differences to OSP and to dense; errors as a share of the tests
    ("gap", "osp"): 0.1479 / 2,
    ("gap", "dense"): 0.2049 / 2,
    ("accuracy", "osp"): 0.1112 / 2,
    ("accuracy", "dense"): 0.1797 / 2,
    ("errors", "osp"): 5533 / 80_000 / 2,
    ("errors", "dense"): 9927 / 80_000 / 2,
}
_WORDS = {"gap": "gap at the end smaller", "accuracy": "test accuracy at the end higher", "errors": "CER lower"}


def measure(lab: Lab) -> Finding:
    """All rows on one stream."""
    seeds = lab.repeats(3)
    found = lab.records(lab.six_rows(seed=seed, **SETTINGS[row]) for seed in seeds for row in SETTINGS)
    rows = {row: [found[place] for place in range(at, len(found), len(SETTINGS))] for at, row in enumerate(SETTINGS)}
    parts = [
        *(_half(rows, "as published, 1.9 % beside 37 %", what, "app-released", other) for what, other in HALF),
        *(_half(rows, "both at 37 %", what, "app", "osp") for what in _WORDS),
        *(_half(rows, "at 37 %, beside dense", what, "app", "dense") for what in _WORDS),
        *(_half(rows, "both at 1.9 %", what, "app-deep", "osp-deep") for what in ("gap", "accuracy")),
        _fewer(rows, "app-deep", "osp-deep"),
        _half(rows, "density alone", "gap", "osp-deep", "osp"),
        *(_bend(rows, row) for row in ("app-released", "app-deep", "osp-deep", "app")),
    ]
    return Finding(
        NUMBER,
        TITLE,
        CLAIM,
        SOURCE,
        f"{about(lab.six_rows(seed=0), 'replay')}, no augmentation, restore_best off, SNIP, {len(seeds)} seed(s), "
        f"{found[0].megabatches[0].test_images} test images",
        tuple(parts),
        f"{_ends(rows)}\n\n{_by_megabatch(rows)}",
        REMARKS,
    )


_READ: dict[str, Callable[[list[MegabatchDone]], float]] = {
    "gap": lambda ends: _gap(ends[-1]),
    "mean gap": lambda ends: sum(map(_gap, ends)) / len(ends),
    "accuracy": lambda ends: ends[-1].test_accuracy,
    "errors": lambda ends: ends[-1].cer / sum(end.test_images for end in ends),
    "density": lambda ends: ends[-1].density_mask,
}


def _gap(end: MegabatchDone) -> float:
    assert end.clean_gap is not None
    return end.clean_gap


def _sample(records: list[Record], what: str) -> Sample:
    return Sample.of(_READ[what](record.megabatches) for record in records)


def _half(rows: dict[str, list[Record]], where: str, what: str, row: str, other: str) -> Part:
    """The difference in favour of `row` is half the published one to the method of `other`, or more."""
    one, two = _sample(rows[row], what), _sample(rows[other], what)
    difference = one - two if what == "accuracy" else two - one
    least = HALF[what, other.partition("-")[0]]
    statement = f"{where}: {_WORDS[what]}, {TITLES[row]} against {TITLES[other]}, by {100 * least:.1f} points or more"
    unit = "points of all tests" if what == "errors" else "points"
    return Part(statement, f"{difference.ranging()} {unit} (n = {len(difference.values)})", at_least(difference, least))


def _fewer(rows: dict[str, list[Record]], row: str, other: str) -> Part:
    """Fewer errors, by however few."""
    errors = [Sample.of(record.megabatches[-1].cer for record in rows[name]) for name in (other, row)]
    difference = errors[0] - errors[1]
    statement = f"both at 1.9 %: CER lower, {TITLES[row]} against {TITLES[other]}, by any number"
    return Part(statement, f"{difference.ranging(0, scale=1)} errors (n = {len(difference.values)})", above_zero(difference))


def _bend(rows: dict[str, list[Record]], row: str) -> Part:
    """The gap at the middle of the stream is above that of the first and of the last megabatch; places that were fixed beforehand."""
    ends = [record.megabatches for record in rows[row]]
    middle = len(ends[0]) // 2 - 1
    rise, fall = (Sample.of(_gap(one[middle]) - _gap(one[place]) for one in ends) for place in (0, -1))
    measured = f"{rise.ranging()} points over the first, {fall.ranging()} over the last (n = {len(ends)})"
    return Part(
        f"{TITLES[row]}: the gap after megabatch {middle + 1} is above both ends", measured, worst([above_zero(rise), above_zero(fall)])
    )


def _ends(rows: dict[str, list[Record]]) -> str:
    head = ["row", "density at the end, %", lower(MEASURES["test_accuracy"].title), "gap at the end", "mean gap", MEASURES["cer"].label]
    lines = []
    for row, records in rows.items():
        cer = Sample.of(record.megabatches[-1].cer for record in records)
        values = [_sample(records, what).text(2 if what == "density" else 1) for what in ("density", "accuracy", "gap", "mean gap")]
        lines.append([TITLES[row], *values, cer.text(0, scale=1.0)])
    return markdown(head, lines)


def _by_megabatch(rows: dict[str, list[Record]]) -> str:
    length = len(next(iter(rows.values()))[0].megabatches)
    lines: list[list[Any]] = []
    for row, records in rows.items():
        means = [Sample.of(_gap(record.megabatches[place]) for record in records).mean for place in range(length)]
        lines.append([TITLES[row], *(f"{100 * mean:.0f}" for mean in means)])
    return markdown(["mean gap after megabatch", *map(str, range(1, length + 1))], lines)
