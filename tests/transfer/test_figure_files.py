"""Figures as PDF: the size of the page, and drawings that are refused."""

from __future__ import annotations

import re

import pytest

from appcore.errors import InputError
from appcore.transfer import figure_files

pytestmark = pytest.mark.skipif(not figure_files.can_make_pdf(), reason="needs vl-convert-python")
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="3.3in" height="2in" viewBox="0 0 316.8 192">'
    '<text x="9" y="20" font-family="Arial, sans-serif">95 % ± τ</text>{}</svg>'
)


def test_a_page_has_the_size_of_its_drawing_and_fonts_in_it() -> None:
    made = figure_files.pdf(DRAWING.format('<path clip-path="url(#a)" d="M0 0L9 9"/>'))
    assert made.startswith(b"%PDF-") and made.rstrip().endswith(b"%%EOF")
    assert [float(number) for number in re.search(rb"/MediaBox \[([^]]*)\]", made)[1].split()] == pytest.approx([0, 0, 237.6, 144])
    assert b"/FontFile" in made


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "words",
        "<svg",
        DRAWING.format("</svg>"),
        DRAWING.format('<image width="9" height="9" xlink:href="/etc/picture.png"/>'),
        DRAWING.format('<image width="9" height="9" href="file:///etc/picture.png"/>'),
        DRAWING.format('<image width="9" height="9" xmlns:a="http://www.w3.org/1999/xlink" a:href=" picture.png"/>'),
        DRAWING.format('<image width="9" height="9" href="data:image/svg+xml;base64,AAAA"/>'),
        DRAWING.format('<use href="http://127.0.0.1/x.svg"/>'),
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + DRAWING.format("<text>&a;</text>"),
        '<svg xmlns="http://www.w3.org/2000/svg" width="0" height="9"/>',
    ],
)
def test_what_is_no_drawing_or_leads_out_of_itself_is_refused_in_one_line(bad: str) -> None:
    with pytest.raises(InputError) as refused:
        figure_files.pdf(bad)
    assert str(refused.value).startswith("figure: ") and "\n" not in str(refused.value)


def test_a_drawing_is_not_too_large_to_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_files, "MOST_CHARACTERS", 100)
    with pytest.raises(InputError, match="too many"):
        figure_files.pdf(DRAWING.format(""))


def test_without_the_library_the_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_files, "can_make_pdf", lambda: False)
    with pytest.raises(InputError, match="vl-convert-python"):
        figure_files.pdf(DRAWING.format(""))
