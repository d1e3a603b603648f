"""A page, a chart on the Run page and a column of the Runs table are one file each: dropped into a copy of the app, they appear."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fake_runs
import pytest

from appcore import declarations
from appcore.charts.run import RunChart
from appcore.storage.store import Store
from appcore.ui.app.page_files import PageFile

ROOT = Path(__file__).parents[2]

PAGE = """
import streamlit as st
from appcore.ui.app import page

PAGE = {"title": "Weather", "icon": ":material/cloud:", "order": 15, "help": "Rain", "on_start": ("See the weather", "It may rain.")}
page.guard(__file__)
st.title(f"Weather of {st.query_params['day']}")
"""
CHART = """
import plotly.graph_objects as go

CHART = {"alt": "Line: test errors of each megabatch", "order": 45, "needs": ("megabatches", "moment"), "live": True}


def draw(run, *, megabatches, moment):
    return go.Figure(go.Scatter(y=megabatches["test_errors"]), layout={"title": f"{run['title']}, {moment}"})
"""
COLUMNS = """
    Column("Batch", lambda rows: rows["run"].map(lambda run: run["config"]["batch_size"])),
    Column("Alive", lambda rows: 100 * rows["density_alive"], st.column_config.NumberColumn(format="%.1f %%")),
"""
OPENED = """
import json, sys, types
from streamlit.testing.v1 import AppTest
from appcore.ui.app import page_files

sys.modules["_appcore_warm_up"] = types.SimpleNamespace(thread=None)  # no torch in the background

def opened(page, query):
    app = AppTest.from_file(sys.argv[1], default_timeout=60)
    app.session_state["_goto"] = (page, query)
    app.run()
    assert not app.exception, app.exception
    return app

run = opened("run", {"run": sys.argv[2]})
print(json.dumps({
    "pages": list(page_files.found()),
    "links": [link.proto.label for link in opened("home", {}).get("page_link")],
    "title": opened("weather", {"day": "Monday"}).title[0].value,
    "charts": [json.loads(chart.proto.json).get("alt", "") for chart in run.get("bidi_component")],
    "figure": json.loads(run.session_state["_figures"]["mistakes-chart"][1]),
    "table": json.loads(opened("runs", {}).dataframe[0].value[["Name", "Batch", "Alive"]].to_json(orient="records")),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the app shows after one file (for the columns: one entry) of each kind was dropped into it."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("appcore", "pages", "static", ".streamlit"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "secrets.toml"))
    shutil.copy(ROOT / "app.py", copy)
    (copy / "pages" / "weather.py").write_text(PAGE)
    (copy / "appcore" / "charts" / "run" / "mistakes.py").write_text(CHART)
    columns = copy / "appcore" / "ui" / "runs" / "columns.py"
    columns.write_text(columns.read_text(encoding="utf-8").replace("\nRUNS = (\n", f"\nRUNS = ({COLUMNS}", 1), encoding="utf-8")
    store = Store(copy / "runs.db")
    run_id = fake_runs.write(store, title="first")
    done = subprocess.run(
        [sys.executable, "-c", OPENED, str(copy / "app.py"), run_id],
        cwd=copy,
        env={**os.environ, "APPCORE_STORE": store.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "ends": store.megabatches(run_id)}


@pytest.mark.thorough
def test_a_page_is_one_file(seen: dict[str, Any]) -> None:
    assert seen["pages"][:4] == ["home", "lessons", "weather", "run"]
    assert "See the weather" in seen["links"]
    assert seen["title"] == "Weather of Monday"


@pytest.mark.thorough
def test_a_chart_on_the_run_page_is_one_file(seen: dict[str, Any]) -> None:
    place = seen["charts"].index("Line: test errors of each megabatch")
    assert seen["charts"][place - 1] == "Heatmap: sparsity of each layer at each megabatch or round"
    assert seen["figure"]["layout"]["title"]["text"] == "first, None"


def test_a_column_of_the_runs_table_is_one_entry(seen: dict[str, Any]) -> None:
    (row,) = seen["table"]
    assert row["Name"] == "first" and row["Batch"] > 0
    assert row["Alive"] == pytest.approx(100 * seen["ends"]["density_alive"].iloc[-1])


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", PageFile, "new.py needs a literal PAGE"),
        ('PAGE = {"title": f"{1}"}', PageFile, "new.py needs a literal PAGE"),
        ('PAGE = {"title": "New"}', PageFile, "new.py, PAGE: .*'icon', 'order', and 'help'"),
        ('PAGE = {"alt": "Line", "order": 1, "needs": ("weather",), "live": True}', RunChart, "needs .'weather'.; there are"),
        ('PAGE = {"alt": "Line", "order": 1, "needs": (), "live": True, "place": "attic"}', RunChart, "place 'attic'; there are"),
    ],
)
def test_a_wrong_declaration_names_its_file(text: str, kind: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(text)
    (tmp_path / "_helper.py").write_text("")
    with pytest.raises(ValueError, match=words):
        declarations.found(tmp_path, "PAGE", kind)
