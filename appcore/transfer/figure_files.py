"""Figures as PDF, from the SVG that a browser has drawn: vectors, fonts embedded; needs neither a browser nor a network on this machine."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from xml.etree import ElementTree

from .. import installation
from ..errors import InputError

MOST_CHARACTERS = 20_000_000
NEEDED = f"PDF needs the package vl-convert-python ({installation.INSTALL}); SVG and PNG are drawn by your browser"
_INCHES = re.compile(r'(?<=\s)(width|height)="(\d+(?:\.\d+)?)in"')  # of the whole drawing
_INSIDE = ("#", "data:image/png;base64,")  # where links of a figure lead; the library would open files of this machine


@cache
def can_make_pdf() -> bool:
    """Whether the library that draws PDF is installed."""
    return importlib.util.find_spec("vl_convert") is not None


def pdf(svg: str) -> bytes:
    """The drawing as a PDF page of its size. InputError for what is no drawing, or leads out of itself."""
    if not can_make_pdf():
        raise InputError(NEEDED, "figure")
    _check(svg)
    import vl_convert

    try:
        # The library makes a point of PDF from a pixel of SVG, though an inch has 72 of the one and 96 of the other.
        return vl_convert.svg_to_pdf(_INCHES.sub(lambda found: f'{found[1]}="{72 * float(found[2]):.3f}"', svg, count=2))
    except (RuntimeError, ValueError):
        raise InputError("figure: this drawing cannot be made into PDF; save it as SVG", "figure") from None


def _check(svg: str) -> None:
    if len(svg) > MOST_CHARACTERS:
        raise InputError(f"figure: {len(svg):,} characters are too many for PDF ({MOST_CHARACTERS:,} at most); save it as PNG", "figure")
    if "<!" in svg.replace("<!--", ""):  # entities grow without end
        raise InputError("figure: a drawing with declarations (<!...) is not made into PDF; save it from a chart", "figure")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError:
        raise InputError("figure: this is no SVG drawing; save it from a chart", "figure") from None
    for node in root.iter():
        for name, value in node.attrib.items():
            if name.rpartition("}")[2] == "href" and not value.startswith(_INSIDE):
                raise InputError(f"figure: the link {value[:40]!r} leads out of the drawing; save it from a chart", "figure")
