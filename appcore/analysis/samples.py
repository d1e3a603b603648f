"""Numbers over seeds: mean with spread, paired differences, and verdicts on claims. Fractions in, percent on screen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

HOLDS = "holds"
FAILS = "does not hold at this scale"
UNDECIDED = "inconclusive (overlap within spread)"
BROKEN = "BROKEN"  # an exact claim failed: a fault of the program

# Student's t, two-sided 95 %, by degrees of freedom; above the last one it changes little.
_T95 = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101)


@dataclass(frozen=True)
class Sample:
    """One number per seed."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        return cls(tuple(float(value) for value in values))

    def __sub__(self, other: Sample) -> Sample:
        """Differences paired by seed: what both have in common cancels out."""
        return Sample(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        """Standard deviation of the sample; 0 for one value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def interval(self, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
        """95 % confidence interval of the mean (Student's t), cut to what a mean can be: from `least` to `most`.

        Nothing is known of a single value's spread: its interval holds all that is possible.
        """
        if len(self.values) < 2:
            return least, most
        half = _T95[min(len(self.values) - 1, len(_T95)) - 1] * self.sd / math.sqrt(len(self.values))
        return max(least, self.mean - half), min(most, self.mean + half)

    def text(self, digits: int = 1, *, scale: float = 100.0, signed: bool = False) -> str:
        """mean ± sd, by default in percent."""
        mean = f"{scale * self.mean:{'+' if signed else ''}.{digits}f}"
        return f"{mean} ± {scale * self.sd:.{digits}f}" if len(self.values) > 1 else mean

    def ranging(self, digits: int = 1, *, scale: float = 100.0) -> str:
        """A difference with its interval, by default in points: +5.5 [+3.8, +7.3]."""
        low, high = (f"{scale * bound:+,.{digits}f}" for bound in self.interval())
        mean = f"{scale * self.mean:+,.{digits}f}"
        return f"{mean} [{low}, {high}]" if len(self.values) > 1 else mean


def above_zero(difference: Sample) -> str:
    """Verdict on "the difference is positive": its 95 % interval must leave 0 out."""
    low, high = difference.interval()
    return HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED


def at_least(difference: Sample, least: float) -> str:
    """Verdict on "the difference is `least` or more": its 95 % interval must lie above that, and refutes it below. Unlike `above_zero` it
    tells an effect of the published size from a certain and small one."""
    return above_zero(Sample(tuple(value - least for value in difference.values)))


def within(difference: Sample, margin: float) -> str:
    """Verdict on "there is no difference", an equivalence test: the 95 % interval must lie within +-margin, and only one that lies wholly
    outside refutes it. A difference may be certain and still too small to matter."""
    low, high = difference.interval()
    if -margin <= low and high <= margin:
        return HOLDS
    return FAILS if low > margin or high < -margin else UNDECIDED


def exactly(is_so: bool) -> str:
    """Verdict on a claim that must hold exactly, to the last weight."""
    return HOLDS if is_so else BROKEN


def worst(verdicts: Iterable[str]) -> str:
    """The verdict on a claim with several parts: that of its worst part."""
    return max(verdicts, key=(HOLDS, UNDECIDED, FAILS, BROKEN).index)
