"""Experiment 7: what full replay costs, exactly, and what it brings."""

from __future__ import annotations

from ..analysis.samples import Sample, above_zero, exactly
from ..config import RunConfig
from .experiment import Finding, Lab, Part, about, markdown

NUMBER, TITLE = 7, "Full replay: (T + 1) / 2 times the images, fewer errors"

CLAIM = (
    "Training with full replay sees exactly (T + 1) / 2 times as many images as with none, and its cumulative error rate (CER, the sum "
    "of test errors over the stream) is lower."
)
SOURCE = "Caccia et al., arXiv 2106.09563 (ALMA); the factor is arithmetic"


def measure(lab: Lab) -> Finding:
    """APP on the stream with full replay and with none."""
    seeds = lab.repeats(3)
    full, none = ([lab.record(_config(lab, replay, seed)).megabatches for seed in seeds] for replay in ("full", "none"))
    length = len(full[0])
    exact = all(2 * a[-1].samples_seen == (length + 1) * b[-1].samples_seen for a, b in zip(full, none, strict=True))
    errors = [Sample.of(record[-1].cer for record in side) for side in (full, none)]
    cer = [sample.text(0, scale=1) for sample in errors]
    return Finding(
        NUMBER,
        TITLE,
        CLAIM,
        SOURCE,
        f"{about(_config(lab, 'full', 0), 'tau')}, method app, {len(seeds)} seed(s), {full[0][0].test_images} test images",
        (
            Part("samples seen: full = none * (T + 1) / 2",
                 f"{full[0][-1].samples_seen:,} = {(length + 1) / 2:g} * {none[0][-1].samples_seen:,}", exactly(exact), True),
            Part("CER, full < none", f"{cer[0]} against {cer[1]} (n = {len(seeds)})", above_zero(errors[1] - errors[0])),
        ),
        markdown(["test errors at megabatch", *map(str, range(1, length + 1))], [
            [name, *(Sample.of(record[t].test_errors for record in side).text(0, scale=1) for t in range(length))]
            for name, side in (("full", full), ("none", none))
        ]),
    )  # fmt: skip


def _config(lab: Lab, replay: str, seed: int) -> RunConfig:
    return lab.stream(replay=replay, seed=seed)
