"""Numbers, units, durations and times as text for users. Fractions in, percent out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.6338 -> 63.4 %; a dash where there is nothing yet."""
    return "–" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.{digits}f}\u00a0%"


def points(fraction: float | None) -> str:
    """A difference of fractions in percentage points."""
    return "–" if fraction is None or math.isnan(fraction) else f"{100 * fraction:+z.1f} points"


def count(value: float | None) -> str:
    """Whole numbers with thousands separators, shortened from a million on: 14,553 and 2.7 million."""
    if value is None:
        return "–"
    if abs(value) >= 1e9:
        return f"{value / 1e9:.3g} billion"
    return f"{value / 1e6:.3g} million" if abs(value) >= 1e6 else f"{round(value):,}"


def flops(value: float | None) -> str:
    """Floating-point operations with a prefix: 1.2e12 -> 1.2 TFLOP."""
    if value is None:
        return "–"
    for limit, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= limit:
            return f"{value / limit:.3g} {prefix}FLOP"
    return f"{value:.0f} FLOP"


def size(value: float | None) -> str:
    """Bytes in MB or GB (powers of 1000)."""
    if value is None:
        return "–"
    if value < 1e9:
        return f"{value / 1e6:.0f} MB"
    return f"{value / 1e9:.2g} GB" if value < 99.5e9 else f"{value / 1e9:,.0f} GB"


def duration(seconds: float | None) -> str:
    """34 s, 5 min 20 s, 2 h 10 min, 3 d 4 h."""
    if seconds is None or math.isnan(seconds) or math.isinf(seconds):
        return "–"
    whole = max(0, round(seconds))
    for unit, name, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name} {rest} {small}" if rest else f"{whole // unit} {name}"
    return f"{whole} s" if whole or seconds == 0 else "< 1 s"


def about(seconds: float | None) -> str:
    """A duration that is only estimated, without false precision: 87 s -> about 90 s."""
    if seconds is None or math.isnan(seconds) or math.isinf(seconds):
        return "–"
    step = 1 if seconds < 20 else 5 if seconds < 60 else 30 if seconds < 600 else 60 if seconds < 7200 else 600
    return duration(step * math.ceil(seconds / step))


def seconds_since(time: str, now: datetime | None = None) -> float:
    """Seconds since a time (ISO, UTC)."""
    return ((now or datetime.now(UTC)) - datetime.fromisoformat(time)).total_seconds()


def age(created: str, now: datetime | None = None) -> str:
    """How long ago a time (ISO, UTC) was."""
    seconds = seconds_since(created, now)
    if seconds < 60:
        return "just now"
    for unit, name in ((86400, "d"), (3600, "h")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return f"{int(seconds // 60)} min ago"


def how_timed(found: Mapping[str, Any]) -> str:
    """Where the time of an estimate comes from, or why there is none."""
    known_from = found.get("measured_on", "a few steps on this machine")
    return f"no time: {known_from}" if found["seconds"] is None else f"time from {known_from}"
