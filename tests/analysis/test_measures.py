"""One registry of numbers: it has all that is shown, every entry is complete, and nobody says a label a second time."""

import re
from dataclasses import fields
from functools import cache

import numpy as np
import pandas as pd
import pytest
from source_texts import product, texts

from appcore import charts
from appcore.analysis import ablation_results, measures, run_library
from appcore.analysis.measures import MEASURES
from appcore.charts import cost_and_benefit, density_meter, final_numbers
from appcore.storage import run_result
from appcore.transfer import html_report
from appcore.ui.runs import columns

OWN = {"appcore/analysis/measures.py", "appcore/ui/app/old_links.py"}  # old_links: what labels were before


def shown_numbers() -> dict[str, set[str]]:
    """For each table of numbers the names of what it shows."""
    run = {"run_id": "r", "title": "", "status": "done", "method": "app", "pruner": "snip", "dataset": "digits", "arch": "mlp", "seed": 0}
    run |= {"tags": [], "note": "", "archived": False, "created": "", "config": {"megabatches": 1, "seed": 0}, "group_id": "", "error": ""}
    run |= {"totals": None, "revision": 1}
    ends = pd.DataFrame(columns=["run_id", "megabatch"])
    overview = run_library.overview([run], ends)
    return {
        "a run as JSON": {*measures.OF_MEGABATCH, *run_result._TOTALS} - {"weights_hash"},
        "boards of ablations": set(ablation_results.METRICS),
        "final numbers, on screen and in the report": set(charts.final_table([run], ends)) - {"run", "megabatches"},
        "final numbers over seeds": set(final_numbers.COLUMNS),
        "bands over seeds": {column for _, column in charts.BANDS.values()},
        "gain over a baseline": set(charts.DIFFERENCES),
        "the library": set(run_library.MEASURED) & set(overview),
        "the table of the page Runs": set(columns._FIRST) | {"seconds"},
        "the density meter": set(density_meter._ROWS.values()),
        "accuracy against compute": {about.name for about in cost_and_benefit.COMPUTE.values()},
    }


@pytest.mark.parametrize(("where", "names"), shown_numbers().items())
def test_every_number_that_is_shown_has_an_entry(where: str, names: set[str]) -> None:
    assert names and names <= set(MEASURES), where


def test_every_entry_is_complete() -> None:
    for name, about in MEASURES.items():
        assert name == about.name
        assert all(getattr(about, field.name) not in ("", None) for field in fields(about)), name
        assert about.better in (-1, 0, 1) and about.factor > 0 and about.digits >= 0
        assert about.help[0].isupper() and not about.help.endswith("."), name
    assert len({about.label for about in MEASURES.values()}) == len(MEASURES)
    assert measures.glossary()["name"].tolist() == list(MEASURES)


def test_numbers_as_text() -> None:
    texts = {"generalization_gap": (0.021, "+2.1"), "test_accuracy": (0.934, "93.4"), "cer": (12345, "12,345"), "seconds": (None, "–")}
    for name, (stored, text) in texts.items():
        about = MEASURES[name]
        assert about.text(None if stored is None else about.shown(stored)) == text
    assert MEASURES["generalization_gap"].head == "Gap, points"
    assert (measures.lower("CER"), measures.lower("Test accuracy")) == ("CER", "test accuracy")


def test_the_newest_numbers_of_a_run() -> None:
    layers = [{"total": 800}]
    run = {"started": {"parameters": 1000, "layers": layers}, "totals": {"train_flops_dense": 4e12, "train_flops_sparse": 1e12}}
    found = measures.newest(run, {"test_accuracy": 0.9, "cer": 7, "density_mask": 0.25, "density_alive": 0.2})
    assert (found["sparsity"], found["density_alive"], found["cer"], found["flops_share"]) == (0.75, 0.2, 7, 0.25)
    assert found["size"] == 4 * (200 + 200) + 100
    assert np.isnan(found["seconds"]) and np.isnan(found["generalization_gap"])
    assert all(np.isnan(value) for value in measures.newest({}, None).values())
    assert measures.fraction_kept({"kept": 1, "total": 4}) == 0.25


def test_the_report_has_the_heads_of_the_registry() -> None:
    frame = pd.DataFrame([{"run": "<a>", "megabatches": "1 of 2", "test_accuracy": 93.4, "seconds": np.nan}])
    html = html_report._numbers(frame)
    assert MEASURES["test_accuracy"].head in html and "93.4" in html and "&lt;a&gt;" in html and "–" in html


# ---- nobody else says a label


@cache
def saying() -> re.Pattern[str]:
    """A text that is a label, alone or with a unit: `CER`, `Gap, points`, `test accuracy, %`, `CER (errors)`. Column names are not meant:
    a label of one word counts only as it is written in the registry.
    """
    words = {word for about in MEASURES.values() for word in (about.label, about.short)}
    exact = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    loose = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if " " in word)
    units = "|".join(re.escape(unit) for unit in sorted({about.unit for about in MEASURES.values()}, key=len, reverse=True))
    return re.compile(rf"(?:{exact}|(?i:{loose})|(?i:{exact})(?=, (?:{units})$))(?:, (?:{units})| \(.*\))?")


def says_a_label(text: str) -> bool:
    return saying().fullmatch(text.strip(" :·.±\n")) is not None


@pytest.mark.parametrize("text", ["CER", "± CER", ": CER ", "CER, errors", "Gap, points", "test accuracy, %", "sparsity, %", "Time, s"])
def test_a_label_is_recognised(text: str) -> None:
    assert says_a_label(text)


@pytest.mark.parametrize("text", ["cer", "sparsity", "Curves: test accuracy over the epochs", "seconds", "loss", "size"])
def test_a_name_or_a_sentence_is_no_label(text: str) -> None:
    assert not says_a_label(text)


@pytest.mark.thorough
def test_labels_of_numbers_are_written_in_the_registry_alone() -> None:
    files = {place: path for place, path in product().items() if place not in OWN}
    said = [f"{place}:{line} {text!r}" for place, path in files.items() for line, text in texts(path) if says_a_label(text)]
    assert said == []


@pytest.mark.thorough
def test_cer_has_one_name() -> None:
    others = re.compile(r"(?is)^(?!.*CER).*cumulative (test )?error|errors so far \(|errors added up|anytime error rate")
    files = {place: path for place, path in product().items() if place not in OWN}
    assert [f"{place}:{line} {text!r}" for place, path in files.items() for line, text in texts(path) if others.search(text)] == []
