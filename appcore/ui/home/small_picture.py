"""A small picture: a few curves as an SVG image, each with its name and last value at its end. Plain text in, plain text out."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 300, 118
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 128, 26, 20  # room around the curves; names stand on the right
_LEAST_GAP = 13.0  # between the baselines of two names
_DASHES = {"solid": "none", "dash": "7 4", "dot": "2 4", "dashdot": "7 4 2 4", "longdash": "11 4", "longdashdot": "11 4 2 4"}
# An image has no colours of the page, but the page's choice of a light or dark scheme.
_STYLE = """<style>
text { font: 600 11px 'Source Sans Pro', 'Source Sans 3', 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1d2430; }
.label { font-weight: 400; font-size: 10.5px; fill: #4a5361; }
.end { text-anchor: end; }
line { stroke: #4a5361; stroke-opacity: 0.4; }
@media (prefers-color-scheme: dark) { text { fill: #e6eaf0; } .label { fill: #b4bcc8; } line { stroke: #b4bcc8; } }
</style>"""


@dataclass(frozen=True)
class Curve:
    """A named line through points (x, y), in the unit that is shown."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    dash: str  # as plotly names it


def image(curves: Sequence[Curve], *, title: str, label: str, over: str) -> str:
    """The picture as an element of HTML; `label` says what the curves are, `over` what lies below them. Its last values are its text."""
    spoken = "; ".join(f"{curve.name} ends at {curve.points[-1][1]:.0f}" for curve in curves)
    about = html.escape(f"{title} {label} over {over}: {spoken}", quote=True)
    data = base64.b64encode(svg(curves, label=label, over=over).encode()).decode()
    return f'<img class="small-picture" alt="{about}" src="data:image/svg+xml;base64,{data}">'


def svg(curves: Sequence[Curve], *, label: str, over: str) -> str:
    """The picture as SVG."""
    xs, ys = ([point[axis] for curve in curves for point in curve.points] for axis in (0, 1))
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    lines = [[(_at(x, xs, _LEFT, right), _at(y, ys, floor, _TOP)) for x, y in curve.points] for curve in curves]
    parts = [
        f'<text x="{_LEFT}" y="12" class="label">{html.escape(label)}</text>',
        f'<text x="{right}" y="{_HEIGHT - 5}" class="label end">{html.escape(over)}</text>',
        f'<line x1="{_LEFT}" y1="{floor}" x2="{right}" y2="{floor}"/>',
    ]
    for curve, line, height in zip(curves, lines, _apart([line[-1][1] for line in lines]), strict=True):
        parts += _drawn(curve, line, height)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">{_STYLE}{"".join(parts)}</svg>'


def _drawn(curve: Curve, line: Sequence[tuple[float, float]], height: float) -> list[str]:
    """The line, its end, and its name at a height."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
    dash = _DASHES.get(curve.dash, curve.dash.replace("px", "").replace(",", " "))
    (x, y), colour = line[-1], html.escape(curve.colour, quote=True)
    words = html.escape(f"{curve.name} {curve.points[-1][1]:.0f}")
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round" stroke-dasharray="{dash}"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>',
        f'<rect x="{x + 8:.1f}" y="{height - 1.5:.1f}" width="9" height="3" fill="{colour}"/>',  # names may have moved away from their ends
        f'<text x="{x + 21:.1f}" y="{height + 4:.1f}">{words}</text>',
    ]


def _at(value: float, among: Sequence[float], low: float, high: float) -> float:
    """A value of a range as a place between `low` and `high`."""
    least, most = min(among), max(among)
    return low + (value - least) / ((most - least) or 1.0) * (high - low)


def _apart(places: Sequence[float]) -> list[float]:
    """Heights of names, none nearer to another than they can be read, and none below the picture."""
    found, last = list(places), float("-inf")
    for index in sorted(range(len(places)), key=lambda one: places[one]):
        last = found[index] = max(places[index], last + _LEAST_GAP)
    over = max(0.0, max(found) - (_HEIGHT - _BOTTOM))
    return [place - over for place in found]
