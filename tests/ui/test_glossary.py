"""The glossary: terms that are found in texts, readings of all charts, numbers of the registry."""

from __future__ import annotations

from appcore.analysis.measures import MEASURES
from appcore.charts import run as run_charts
from appcore.ui.words import glossary, readings


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
