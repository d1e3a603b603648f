"""Links with the words that menus had before still choose the same, and a page shows display names alone. No browser."""

from __future__ import annotations

import re

import fake_runs
import pytest
from test_pages import no_warm_up, opened, store, words
from test_what_if_page import replies

from appcore.service import manager
from appcore.storage.store import Store

__all__ = ["no_warm_up", "replies", "store"]  # fixtures


def test_filters_of_the_library(store: Store) -> None:
    for pruner in ("snip", "magnitude"):
        fake_runs.write(store, pruner=pruner, title="one")
    for asked in ("snip", "SNIP"):
        app = opened("runs", pruner=asked)
        assert app.multiselect(key="pruner").value == ["snip"], asked
        assert len(app.dataframe[0].value) == 1


def test_metric_of_a_gain(store: Store) -> None:
    pair = [fake_runs.write(store, pruner=pruner) for pruner in ("snip", "magnitude")]
    for asked in ("CER (test errors added up)", "CER"):
        assert opened("compare", runs=",".join(pair), metric=asked).selectbox(key="metric").value == "cer", asked


def test_network_data_and_criteria_of_what_if(replies: dict, store: Store) -> None:
    app = opened("what_if", arch="mlp", criteria="Taylor (first order)")
    assert app.selectbox(key="arch").value == "mlp"
    assert app.multiselect(key="criteria").value == ["taylor"]
    assert opened("what_if", arch="MLP").selectbox(key="arch").value == "mlp"


def test_data_of_the_front(store: Store) -> None:
    fake_runs.write(store)
    for asked in ("digits", "Digits"):
        assert opened("stream", view="runs", data=asked).session_state["stream_data"] == "Digits"


@pytest.mark.thorough
def test_pages_show_display_names_alone(store: Store) -> None:
    pair = [fake_runs.write(store, pruner=pruner, title="one") for pruner in ("force", "magnitude")]
    sweep = manager.shared().ablations.create("", {"arch": "resnet20"}, {"pruner": ["force", "taylor"], "dataset": ["digits"]})
    raw = re.compile(r"\b(resnet20|force|magnitude|taylor|digits)\b")
    for page, query in (
        ("run", {"run": pair[0]}),
        ("compare", {"runs": ",".join(pair)}),
        ("runs", {}),
        ("stream", {"view": "runs", "runs": ",".join(pair)}),
        ("ablations", {"sweep": sweep}),
        ("export", {"run": pair[0]}),
        ("masks", {"run": pair[0]}),
    ):
        app = opened(page, **query)
        cells = [str(value) for frame in app.dataframe for value in frame.value.astype(str).to_numpy().ravel()]
        cells += [str(value) for table in app.table for value in table.value.astype(str).to_numpy().ravel()]
        said = [line for line in (*words(app).split("\n"), *cells) if raw.search(line)]
        assert said == [], page
