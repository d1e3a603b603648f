"""How often live pages read their tables: at once when that matters, else as often as drawing them is cheap, and together."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from appcore.config import RunConfig
from appcore.ui.app import tables
from appcore.ui.widgets import live_chart


class Store:
    """Counts how often it is read; `rows` is what the table of layers holds."""

    url = "sqlite:///of this test"

    def __init__(self) -> None:
        self.reads, self.rows = 0, 1

    def layers(self, run_ids: list[str]) -> pd.DataFrame:
        self.reads += 1
        return pd.DataFrame({"layer": ["conv1"] * self.rows})

    def epochs(self, run_ids: list[str]) -> pd.DataFrame:
        return pd.DataFrame()

    megabatches = prunes = epochs


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session without Streamlit: its state, clock, store and what it has drawn for."""

    class Page:
        store, clock, spent = Store(), 100.0, 0.0

        def read(self, epoch: int, status: str = "running", name: str = "r", title: str = "", images: int = 0) -> tables.Frames:
            progress = {"megabatch": 0, "epoch": epoch, "samples_seen": images}
            run = {"run_id": name, "title": title, "status": status, "cursor": 0, "progress": progress}
            run["config"] = RunConfig().model_dump()
            return tables.read([run])

    found = Page()
    monkeypatch.setattr(tables, "_kept", OrderedDict())
    monkeypatch.setattr(tables.page, "store", lambda: found.store)
    monkeypatch.setattr(tables.page, "spent", lambda: found.spent)
    monkeypatch.setattr(tables.time, "monotonic", lambda: found.clock)
    return found


def test_a_tick_without_news_reads_nothing(page: Any) -> None:
    first = page.read(0)
    page.clock += 100
    assert page.read(0) is first
    assert page.store.reads == 1


def test_news_wait_until_the_last_ones_took_their_share_of_the_time(page: Any) -> None:
    first = page.read(0)
    page.spent += 0.2  # drawing them took 0.2 s of the processor: 5 s at four percent
    page.clock += 4.9
    assert page.read(1) is first
    page.clock += 0.2
    assert page.read(1) is not first


def test_curves_are_drawn_when_they_are_a_seventh_longer(page: Any) -> None:
    first = page.read(20, images=20_000)
    page.clock += 5
    assert page.read(22, images=22_000) is first
    assert page.read(23, images=23_000) is not first


def test_nobody_waits_longer_than_half_a_minute(page: Any) -> None:
    first = page.read(100, images=100_000)
    page.spent += 60
    page.clock += 29
    assert page.read(101, images=101_000) is first
    page.clock += 1
    assert page.read(101, images=101_000) is not first


def test_pages_look_less_often_at_runs_that_are_no_longer_new() -> None:
    def run(age: float, status: str = "running") -> dict[str, str]:
        return {"created": (datetime.now(UTC) - timedelta(seconds=age)).isoformat(), "status": status}

    assert [tables.pace([run(age)]) for age in (5, 60, 600)] == [1.0, 3.0, 5.0]
    assert tables.pace([run(600), run(5)]) == 1.0
    assert tables.pace([run(600), run(5, "done")]) == 5.0


@pytest.mark.parametrize("change", [{"status": "paused"}, {"status": "done"}, {"name": "another run"}, {"title": "renamed"}])
def test_a_change_of_state_or_run_is_read_at_once(page: Any, change: dict[str, str]) -> None:
    first = page.read(0)
    page.spent += 60
    assert page.read(1) is first
    assert page.read(1, **change) is not first


def test_the_first_layers_are_read_at_once(page: Any) -> None:
    page.store.rows = 0
    first = page.read(0)
    page.spent += 60
    page.store.rows = 2
    assert len(page.read(1).layers) == 2
    assert len(first.layers) == 0


def test_what_is_made_of_the_tables_is_made_once(page: Any) -> None:
    made = []
    found = page.read(0)
    for _ in range(3):
        assert found.once("number", lambda: made.append(1) or 7) == 7
    assert made == [1]
    page.clock += 100
    assert page.read(1).once("number", lambda: made.append(1) or 8) == 8


def test_pages_of_the_same_runs_share_their_tables(page: Any) -> None:
    tabs = [page.read(0) for _ in range(20)]
    assert all(tab is tabs[0] for tab in tabs)
    page.clock += 100
    assert len({id(page.read(1)) for _ in range(20)}) == 1
    assert page.store.reads == 2


def test_only_some_tables_are_kept(page: Any) -> None:
    first = page.read(0, name="first")
    for number in range(tables._MOST):
        page.read(0, name=str(number))
    assert page.read(0, name="first") is not first


def test_a_figure_is_built_once_for_all_pages(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    built, shown = [], []
    monkeypatch.setattr(live_chart, "_still", lambda key, text, height, alt: shown.append(text))
    for token in (1, 1, 2, 2):
        monkeypatch.setattr(live_chart.st, "session_state", {"_no_live_charts": True})  # of another page
        for _ in range(2):
            live_chart.chart("loss", token, lambda: built.append(1) or go.Figure(), alt="", shared=page.read(0).figures)
    assert (len(built), len(shown)) == (2, 8)


def test_pages_that_want_a_figure_at_one_moment_wait_for_the_one_that_builds_it(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_chart, "_still", lambda *shown: None)
    monkeypatch.setattr(live_chart.st, "session_state", {"_no_live_charts": True})
    together, built, shared = threading.Barrier(8), [], page.read(0).figures

    def build() -> go.Figure:
        built.append(1)
        time.sleep(0.1)
        return go.Figure()

    def look(_: int) -> None:
        together.wait()
        live_chart.chart("loss", 1, build, alt="", shared=shared)

    with ThreadPoolExecutor(8) as people:
        [*people.map(look, range(8))]
    assert len(built) == 1


def test_a_renamed_run_is_drawn_anew_on_the_page_that_had_it_and_on_others(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(live_chart, "_still", lambda key, text, height, alt: shown.append("new" if "new" in text else "old"))
    mine = {"_no_live_charts": True}
    for title, session in (("old", mine), ("new", mine), ("new", {"_no_live_charts": True})):
        monkeypatch.setattr(live_chart.st, "session_state", session)
        data = page.read(0, title=title)
        live_chart.chart("loss", data.token("layers"), lambda title=title: go.Figure(layout={"title": title}), alt="", shared=data.figures)
    assert shown == ["old", "new", "new"]
