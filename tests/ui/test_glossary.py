"""The glossary: terms that are found in texts, readings of all charts, numbers of the registry."""

from __future__ import annotations

import ast
from pathlib import Path

from appcore.analysis.measures import MEASURES
from appcore.charts import run as run_charts
from appcore.ui.words import glossary, readings

ROOT = Path(__file__).parents[2]


def test_terms_are_found_as_words_and_once() -> None:
    text = "The CER of the megabatches; the CER again, and densely is no word of it, nor are unmasked ones."
    assert [piece for piece in glossary.pieces(text) if piece[1]] == [("CER", "cer"), ("megabatches", "megabatch")]
    assert "".join(part for part, _ in glossary.pieces(text)) == text
    assert glossary.linked("Rewind the mask") == "[Rewind](glossary?term=rewind) the [mask](glossary?term=mask)"


def test_every_term_explains_itself_and_every_number_is_there() -> None:
    for anchor, term in glossary.TERMS.items():
        assert anchor == anchor.lower() and term.text.endswith((".", "..."))
    told = {anchor.replace("-", "_") for anchor in (*glossary.TERMS, *glossary.numbers())} | set(glossary._TOLD)
    assert set(MEASURES) <= told


def test_every_chart_of_the_run_page_has_a_reading() -> None:
    for name in run_charts.found():
        assert readings.of(f"{name.replace('_', '-')}-chart"), name
    assert readings.of("compare-gap") is readings.of("gap-chart") is not None
    assert readings.of("nothing-known") is None


def test_readings_are_three_sentences_each() -> None:
    for name, reading in readings.READINGS.items():
        assert len(reading) == 3 and all(text.endswith(".") and len(text) < 200 for text in reading), name


def _keys_of_charts() -> set[str]:
    """The first argument of every call of `live_chart.chart` and `playback.chart`; what is filled in becomes an x."""
    found = set()
    for path in (*ROOT.glob("appcore/ui/**/*.py"), *ROOT.glob("pages/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("live_chart.chart", "playback.chart"):
                parts = [node.args[0].body, node.args[0].orelse] if isinstance(node.args[0], ast.IfExp) else [node.args[0]]
                for part in parts:
                    values = part.values if isinstance(part, ast.JoinedStr) else [part]
                    found.add("".join(value.value if isinstance(value, ast.Constant) else "x" for value in values))
    return found


def test_every_chart_of_every_page_has_a_reading() -> None:
    keys = _keys_of_charts()
    of_several = {"x-chart", "compare-x", "x-x"}  # charts of the Run page, curves of Compare (as on Run), overlaps on Masks
    of_several |= {"x", "lesson-answer-x"}  # what playback hands on; an answer beside the truth, which the step explains
    assert len(keys) > 30 and of_several < keys
    without = [key for key in keys - of_several if readings.of(key) is None]
    assert not without
    assert all(readings.of(key) for key in ("compare-accuracy", "compare-loss", "compare-errors", "overlap-found", "between-chance"))
