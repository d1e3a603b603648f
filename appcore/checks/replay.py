"""Experiment 7: what full replay costs, exactly, and what it brings beyond more training."""

from __future__ import annotations

from ..analysis.measures import MEASURES, lower
from ..analysis.samples import Sample, above_zero, exactly
from ..config import RunConfig
from .experiment import Finding, Lab, Part, Record, about, markdown

NUMBER, TITLE = 7, "Full replay: (T + 1) / 2 times the images, fewer errors"
CLAIM = (
    "Training with full replay sees exactly (T + 1) / 2 times as many images as with none, and its cumulative error rate (CER, the sum "
    "of test errors over the stream) is lower, also than that of a stream without replay that trains on as many images."
)
SOURCE = "Caccia et al., arXiv 2106.09563 (ALMA); the factor is arithmetic"
REMARKS = (
    "The control has no replay and (T + 1) / 2 times as many epochs of each megabatch, so over the stream it trains on as many images, but "
    "on the early megabatches more and on the late ones less than full replay does.",
    "What would change our mind: an interval of the difference in CER below 0 against either side.",
)
FULL, NONE, CONTROL = SIDES = ("full", "none", "none, as many images")


def measure(lab: Lab) -> Finding:
    """APP on the stream with full replay, with none, and with none for as many images."""
    seeds = lab.repeats(3)
    found = lab.records(_config(lab, side, seed) for seed in seeds for side in SIDES)
    by_side = {side: found[place :: len(SIDES)] for place, side in enumerate(SIDES)}
    length = len(by_side[FULL][0].megabatches)
    seen = {side: [record.megabatches[-1].samples_seen for record in records] for side, records in by_side.items()}
    exact = all(2 * full == (length + 1) * none and full == control for full, none, control in zip(*seen.values(), strict=True))
    cer = {side: Sample.of(record.megabatches[-1].cer for record in records) for side, records in by_side.items()}

    def fewer(statement: str, side: str) -> Part:
        difference = cer[side] - cer[FULL]
        measured = f"{difference.ranging(0, scale=1)} errors: {_errors(cer[FULL])} against {_errors(cer[side])} (n = {len(seeds)})"
        return Part(statement, measured, above_zero(difference))

    return Finding(
        NUMBER,
        TITLE,
        CLAIM,
        SOURCE,
        f"{about(_config(lab, FULL, 0), 'tau')}, no augmentation, method app, {len(seeds)} seed(s), "
        f"{by_side[FULL][0].megabatches[0].test_images} test images; the control: {_config(lab, CONTROL, 0).epochs} epochs",
        (
            Part("samples seen: full = none * (T + 1) / 2, and as many as the control's",
                 f"{seen[FULL][0]:,} = {(length + 1) / 2:g} * {seen[NONE][0]:,} = {seen[CONTROL][0]:,}", exactly(exact), True),
            fewer("CER, full < none", NONE),
            fewer("CER, full < none that trains on as many images", CONTROL),
        ),
        _table(by_side, length),
        REMARKS,
    )  # fmt: skip


def _table(by_side: dict[str, list[Record]], length: int) -> str:
    rows = [
        [name, *(_errors(Sample.of(record.megabatches[t].test_errors for record in records)) for t in range(length))]
        for name, records in by_side.items()
    ]
    return markdown([f"{lower(MEASURES['test_errors'].label)} at megabatch", *map(str, range(1, length + 1))], rows)


def _errors(found: Sample) -> str:
    return found.text(0, scale=1)


def _config(lab: Lab, side: str, seed: int) -> RunConfig:
    """The stream of experiment 8, with its replay, and for the control (T + 1) / 2 times its epochs."""
    usual = lab.six_rows(seed=seed, method="app", replay=side.partition(",")[0])
    longer = usual.epochs * (usual.megabatches + 1)
    return usual.model_copy(update={"epochs": longer // 2}) if side == CONTROL else usual
