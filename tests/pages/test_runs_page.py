"""The library of runs: pure tables, report and file contents; the page on empty, running, finished and failed stores."""

from __future__ import annotations

import io
import json
import time
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fake_runs
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import APP, no_warm_up, opened, store, words  # noqa: F401

from appcore.analysis import conditions, run_library
from appcore.config import RunConfig
from appcore.service import manager
from appcore.storage.store import Store
from appcore.transfer import bundle_export, bundle_import, html_report
from appcore.transfer import tables as run_tables
from appcore.ui.app import page_files
from appcore.ui.runs import columns, files, pages
from appcore.ui.widgets import run_files, run_search
from appcore.ui.words import text

HOSTILE = "<img src=x onerror=alert(1)> **[x](javascript:1)** :red[y] $x$ 🧠 " + "long " * 20


def overview(store: Store) -> pd.DataFrame:  # noqa: F811
    runs = store.runs()
    return run_library.overview(runs, store.megabatches([run["run_id"] for run in runs], newest=True))


@pytest.fixture
def four(store: Store) -> list[str]:  # noqa: F811
    """Two pruners by two seeds."""
    return [
        fake_runs.write(store, pruner=pruner, seed=seed, title=f"{pruner} {seed}") for pruner in ("snip", "magnitude") for seed in (0, 1)
    ]


# ---- tables


def test_search_wants_every_word_anywhere(store: Store, four: list[str]) -> None:  # noqa: F811
    manager.shared().label(four[0], note="the Golden one", tags=["poster"])
    frame = overview(store)
    assert conditions.search(frame, "")["run_id"].tolist() == four[::-1]
    assert conditions.search(frame, "golden")["run_id"].tolist() == [four[0]]
    assert conditions.search(frame, "SNIP poster")["run_id"].tolist() == [four[0]]
    assert conditions.search(frame, four[2])["run_id"].tolist() == [four[2]]
    assert conditions.search(frame, "snip magnitude").empty


def test_tags_have_the_room_that_they_take_and_the_rest_is_counted(store: Store, four: list[str]) -> None:  # noqa: F811
    many = [f"tag number {number}" for number in range(9)]
    for run_id, tags in zip(four, (many, ["x" * 40, "y"], ["one", "two"], ["剪枝" * 9])):
        manager.shared().label(run_id, tags=tags)
    frame = overview(store).set_index("run_id").loc[four]
    (column,) = (column for column in columns.RUNS if column.title == "Tags")
    table, config = columns.shown(frame, [column])
    assert table["Tags"].tolist() == [[*many[:2], "+7"], ["x" * 40, "+1"], ["one", "two"], ["剪枝" * 9]]
    assert config["Tags"]["width"] == columns._TAGS
    assert columns.shown(frame[2:3], [column])[1]["Tags"]["width"] < columns._TAGS / 2


def test_filters_join_and_archived_runs_are_out_of_sight(store: Store, four: list[str]) -> None:  # noqa: F811
    manager.shared().label(four[1], archived=True, tags=["a", "b"])
    frame = overview(store)
    assert run_library.choose(frame, {})["run_id"].tolist() == [four[3], four[2], four[0]]
    assert run_library.choose(frame, {"pruner": ["snip"]}, archived=True)["run_id"].tolist() == [four[1], four[0]]
    assert run_library.choose(frame, {"tag": ["b", "c"], "pruner": []}, archived=True)["run_id"].tolist() == [four[1]]
    assert run_library.values(frame, "tag") == ["a", "b"]


def test_runs_that_differ_in_the_seed_alone_are_one_group(store: Store, four: list[str]) -> None:  # noqa: F811
    found = run_library.grouped(overview(store), "equal settings")
    assert found["name"].tolist() == ["APP · Magnitude", "APP · SNIP"]
    assert [sorted(ids) for ids in found["run_ids"]] == [sorted(four[2:]), sorted(four[:2])]
    ends = store.megabatches(four[:2], newest=True)["test_accuracy"]
    assert found["test_accuracy"].iloc[1] == pytest.approx(ends.mean())
    assert found["test_accuracy_sd"].iloc[1] == pytest.approx(ends.std())
    for by in run_library.GROUPS:
        assert run_library.grouped(overview(store), by)["runs"].sum() == 4


def test_the_newest_megabatch_of_each_run(store: Store, four: list[str]) -> None:  # noqa: F811
    newest = store.megabatches(four, newest=True)
    assert newest["run_id"].tolist() == sorted(four)
    assert set(newest["megabatch"]) == {7}
    assert run_library.overview([], store.megabatches([], newest=True)).empty


def test_everything_as_files_that_open_again(store: Store, four: list[str]) -> None:  # noqa: F811
    manager.shared().label(four[0], title="=1+1")
    tables = run_tables.tables(store, four[:2])
    assert set(tables["megabatches"]["megabatch"]) == set(range(1, 9))  # as people count
    for kind in ("csv", "parquet"):
        with zipfile.ZipFile(io.BytesIO(run_tables.packed(tables, kind))) as file:
            assert sorted(file.namelist()) == [f"{name}.{kind}" for name in sorted(tables)]
            assert set(tables) == {"runs", "epochs", "rounds", "megabatches", "prunes", "layers", "numbers"}
            read = pd.read_csv if kind == "csv" else pd.read_parquet
            runs = read(io.BytesIO(file.read(f"runs.{kind}"))).set_index("run_id")
            ends = read(io.BytesIO(file.read(f"megabatches.{kind}")))
        assert runs["config.pruner"].tolist() == ["snip", "snip"]
        assert runs["title"][four[0]] == ("'=1+1" if kind == "csv" else "=1+1")  # a spreadsheet would calculate
        assert ends["test_accuracy"].tolist() == store.megabatches(four[:2])["test_accuracy"].tolist()


# ---- report


class Elements(HTMLParser):
    """Names of the elements of a page, and whether one has a handler or loads something."""

    def __init__(self, html: str):
        super().__init__()
        self.names: set[str] = set()
        self.bad: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.bad += [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]


def made(store: Store, run_ids: list[str]) -> str:  # noqa: F811
    tables_of = (store.epochs, store.megabatches, store.prunes, store.layers, store.rounds)
    data = html_report.Data(*(read(run_ids) for read in tables_of))
    runs = [store.get(run_id) for run_id in run_ids]
    return html_report.report(runs, data, script="/* plotly */", made="2026-01-02", program="appcore 0.1.0")


@pytest.mark.thorough
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_report_names_numbers_hashes_and_versions_and_loads_nothing(store: Store, four: list[str], count: int) -> None:  # noqa: F811
    store.update(four[0], versions={"torch": "2.15.0"})
    html = made(store, four[:count])
    last = store.megabatches(four[0]).iloc[-1]
    for expected in (
        f"{100 * last['test_accuracy']:.1f}",
        "init",
        "00c1d09a44be",
        "torch",
        "2.15.0",
        four[0],
        "default-src 'none'",
    ):
        assert expected in html
    assert html.count('class="chart"') == (5 if count == 1 else 6)
    found = Elements(html)
    assert not found.bad
    assert not found.names & {"link", "iframe", "img", "base", "form"}


def test_what_people_write_is_text_in_a_report(store: Store) -> None:  # noqa: F811
    run_id = fake_runs.write(store, until=30, status="failed", title=HOSTILE + "</script><script>alert(2)</script>")
    store.update(run_id, note="<b>bold</b>", tags=["<i>"], error="<script>alert(3)</script>", notes=["</style><script>"])
    html = made(store, [run_id])
    found = Elements(html)
    assert not found.bad
    assert not found.names & {"img", "b", "i"} - {"b"}
    assert html.count("<script") == 4  # figures, templates, plotly, drawing
    assert "&lt;b&gt;bold&lt;/b&gt;" in html


def test_a_report_of_a_run_without_results(store: Store) -> None:  # noqa: F811
    assert "–" in made(store, [fake_runs.write(store, until=0, status="stopped")])


def test_a_report_of_a_ticket_reads_in_rounds(store: Store) -> None:  # noqa: F811
    html = made(store, [fake_runs.write(store, method="imp", pruner="magnitude", megabatches=1, epochs=2, tau=2.0)])
    assert "Is the ticket as good?" in html and "2 rounds of pruning" in html and "round (each of 2 epochs)" in html


def test_text_of_people_is_no_markdown() -> None:
    assert text.plain("**a** :red[b] <i>") == r"\*\*a\*\* \:red\[b\] \<i>"
    assert len(text.plain("x" * 500)) == 120


# ---- files


def test_settings_from_json_files() -> None:
    assert files.settings(b'{"seed": 3}') == {"seed": 3}
    assert files.settings(b'{"run_id": "x", "config": {"seed": 3}}') == {"seed": 3}
    for bad in (b"", b"[1]", b"\xff", b'{"seed": -1}', b'{"colour": 1}', b"[" * 100_000):
        with pytest.raises(ValueError, match=r".+"):
            files.settings(bad)


class Upload:
    def __init__(self, name: str, data: bytes):
        self.name, self._data = name, data

    def getvalue(self) -> bytes:
        return self._data


def test_bundles_of_the_page_go_out_and_come_back(store: Store, four: list[str], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def export(store: Any, run_id: str, to: Path, say: Any, *, light: bool) -> list[str]:
        to.mkdir()
        with zipfile.ZipFile(to / f"{run_id}.zip", "w") as file:
            file.writestr(bundle_export.MANIFEST, json.dumps({"run_id": run_id}))
        return [str(to / f"{run_id}.zip")]

    monkeypatch.setattr(bundle_export, "export", export)
    taken: list[list[str]] = []

    def take(store: Any, path: Path, **options: Any) -> str:
        with zipfile.ZipFile(path) as file:
            taken.append(file.namelist())
            return json.loads(file.read(bundle_export.MANIFEST))["run_id"]

    monkeypatch.setattr(bundle_import, "import_bundle", take)
    one = files._bundle(Upload("a.zip", run_files._bundles(store, four[:1])))
    two = files._bundle(Upload("b.zip", run_files._bundles(store, four[:2])))
    assert (one, two) == (four[:1], four[:2])
    assert all(bundle_export.MANIFEST in names for names in taken)


def test_a_file_that_is_no_bundle_is_named_as_it_was_dropped(store: Store) -> None:  # noqa: F811
    with pytest.raises(ValueError, match=r"bundle .*holiday\.zip") as refused:
        files._bundle(Upload("holiday.zip", b"PK\3\4 nothing"))
    assert "/tmp" not in str(refused.value)


# ---- the page


def test_empty_store() -> None:
    app = opened("runs")
    assert "No runs yet" in words(app)
    assert app.button(key="start").label == "Start SNIP versus magnitude"  # the button itself, not a way to it


def test_every_state_is_listed_with_its_sign(store: Store) -> None:  # noqa: F811
    for state in ("running", "queued", "paused"):
        fake_runs.keep_alive(store, fake_runs.write(store, until=20, status=state))
    for state in ("done", "failed", "stopped"):
        fake_runs.write(store, until=None if state == "done" else 20, status=state, title=HOSTILE)
    table = opened("runs").dataframe[0].value
    assert table["State"].tolist() == ["■ stopped", "✕ failed", "● done", "❙❙ paused", "◔ queued", "▶ running"]
    assert table["Name"].iloc[0] == HOSTILE


@pytest.mark.thorough
def test_the_address_picks_filters_and_groups(store: Store, four: list[str]) -> None:  # noqa: F811
    app = opened("runs", q="magnitude", runs=four[2])
    assert app.dataframe[0].value["Id"].tolist() == [four[3], four[2]]
    assert "2 of 4 runs" in words(app)
    assert app.text_input(key=f"title-{four[2]}").value == "magnitude 0"
    assert opened("runs", q="pruner=snip seed>0 sparsity>1").dataframe[0].value["Id"].tolist() == [four[1]]
    assert "did you mean sparsity?" in words(opened("runs", q="sparsty>1"))
    app = opened("runs", by="equal settings", runs=",".join(four[2:]))
    assert app.dataframe[0].value["Runs"].tolist() == [2, 2]
    assert "2 picked" in words(app)
    assert "No run fits" in words(opened("runs", q="zebra"))


def test_any_setting_and_number_is_a_column_in_the_address(store: Store, four: list[str]) -> None:  # noqa: F811
    fake_runs.write(store, method="dense", seed=5)
    app = opened("runs", columns=["tau", "train_flops_dense"])
    table = app.dataframe[0].value
    assert table["Tau"].tolist()[1:] == [4.5] * 4 and table["Tau"].isna().iloc[0]  # a dense run has none
    assert table["train_flops_dense"].notna().all()
    app.multiselect(key="columns").set_value(["epochs"]).run()
    assert "Epochs per megabatch" in app.dataframe[0].value


def test_an_ablation_is_one_row_that_opens(store: Store, four: list[str]) -> None:  # noqa: F811
    sweep_id = store.ablations.create("Pruners", {}, {"pruner": ["snip", "magnitude"]})
    store.ablations.add_runs(sweep_id, four)
    other = fake_runs.write(store, title="alone")
    app = opened("runs", runs=",".join(four))
    table = app.dataframe[0].value
    assert table["Name"].tolist() == ["alone", "Pruners · 4 runs"]
    assert table["State"].tolist() == ["● done", "▸ 4/4"] and table["test_accuracy"].isna().tolist() == [False, True]
    assert (table["Method"].iloc[1], table["Pruner"].iloc[1]) == ("APP", "")  # what they share, and nothing of what differs
    assert "4 picked" in words(app)
    app.button(key="unfold").click().run()
    assert app.dataframe[0].value["Id"].tolist() == [other, *four[::-1]]
    assert opened("runs", open=[sweep_id], q="snip seed=1").dataframe[0].value["Id"].tolist() == [four[1]]


def test_pinned_runs_stand_first(store: Store, four: list[str]) -> None:  # noqa: F811
    app = opened("runs", runs=four[0])
    app.button(key="pin").click().run()
    assert app.dataframe[0].value["Id"].tolist()[0] == four[0] and app.dataframe[0].value["Pinned"].tolist() == [True, False, False, False]
    assert store.get(four[0])["tags"] == ["pinned"]
    app.button(key="pin").click().run()
    assert store.get(four[0])["tags"] == []


def test_views_are_kept_under_a_name_and_belong_to_their_owner(store: Store, four: list[str]) -> None:  # noqa: F811
    app = opened("runs", q="seed>0", columns=["tau", "epochs"])
    app.text_input(key="view-name").set_value("late **seeds**").run()
    assert not app.exception
    assert store.saved_views.all() == {"late **seeds**": {"q": ["seed>0"], "columns": ["Tau", "Epochs per megabatch"]}}
    assert store.of("ann").saved_views.all() == {}
    store.saved_views.keep("late **seeds**", {"q": ["x"]})
    assert len(store.saved_views.all()) == 1
    store.saved_views.delete("late **seeds**")
    assert store.saved_views.all() == {}
    for name, address in (("", {}), ("x" * 61, {}), ("y", {"q": ["z" * 3000]})):
        with pytest.raises(ValueError, match=r"^view: "):
            store.saved_views.keep(name, address)


@pytest.mark.thorough
def test_a_group_says_what_its_means_mix(store: Store, four: list[str]) -> None:  # noqa: F811
    fake_runs.write(store, tau=9.0, seed=7)
    table = opened("runs", by="method").dataframe[0].value
    assert table["Mixes"].tolist() == ["pruner, tau"]
    assert "Mixes" not in opened("runs", by="equal settings").dataframe[0].value
    assert all(float(value).is_integer() for value in table["cer"])  # errors are whole


def test_a_run_is_named_tagged_noted_and_archived(store: Store, four: list[str]) -> None:  # noqa: F811
    app = opened("runs", runs=four[0])
    app.text_input(key=f"title-{four[0]}").set_value("A better name").run()
    app.text_area(key=f"note-{four[0]}").set_value("why").run()
    app.multiselect(key=f"tags-{four[0]}").set_value(["poster"]).run()
    app.button(key="archive").click().run()
    assert not app.exception
    row = store.get(four[0])
    assert (row["title"], row["note"], row["tags"], row["archived"]) == ("A better name", "why", ["poster"], True)
    assert "1 archived" in words(app)


@pytest.mark.thorough
def test_deleting_asks_once_and_says_what_goes(store: Store, four: list[str]) -> None:  # noqa: F811
    busy = fake_runs.keep_alive(store, fake_runs.write(store, until=20, status="running"))
    app = opened("runs", runs=f"{four[0]},{busy}")
    app.button(key="delete").click().run()
    assert "1 run goes" in words(app)
    assert "1 still going on: left alone" in words(app)
    assert len(store.runs()) == 5
    app.button(key="delete-yes").click().run()
    assert not app.exception
    assert sorted(run["run_id"] for run in store.runs()) == sorted([*four[1:], busy])


@pytest.mark.slow
@pytest.mark.alone
def test_two_hundred_runs_are_quick(store: Store) -> None:  # noqa: F811
    for seed in range(200):
        fake_runs.write(store, seed=seed, megabatches=3, epochs=1)
    app = opened("runs")
    start = time.perf_counter()
    app.text_input(key="q").set_value("snip").run()
    assert time.perf_counter() - start < 3.0  # about 0.5 s; the machine of a test may be busy
    assert "200 runs" in words(app)


def test_settings_that_an_earlier_version_exported_mean_what_they_meant() -> None:
    then = RunConfig(seed=3, limit_train=200, subset_seed=0).model_dump(mode="json")
    recorded = {name: value for name, value in then.items() if name not in ("subset_seed", "init")}
    assert files.settings(json.dumps({"config": recorded}).encode()) == then
    assert files.settings(b'{"seed": 3, "limit_train": 200}') == {"seed": 3, "limit_train": 200}  # written by hand, for a run of today


@pytest.mark.thorough
def test_a_long_table_has_pages_and_an_order_of_all_its_rows(store: Store, four: list[str], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(pages, "ROWS", 2)
    shown = [opened("runs", **query).dataframe[0].value["Id"].tolist() for query in ({}, {"table_page": "2"}, {"table_page": "9"})]
    assert shown == [[four[3], four[2]], [four[1], four[0]], [four[3], four[2]]]
    app = opened("runs", order="oldest first")
    assert app.dataframe[0].value["Id"].tolist() == four[:2]
    assert "Rows 1 to 2 of 4 rows" in words(app)
    app.text_input(key="q").set_value("snip").run()
    assert app.dataframe[0].value["Id"].tolist() == [four[1], four[0]]  # they fit one page
    best = opened("runs", order="Test accuracy, highest first").dataframe[0].value["test_accuracy"].tolist()
    assert best == pytest.approx(sorted(100 * overview(store)["test_accuracy"], reverse=True)[:2], abs=0.051)


def test_runs_picked_on_other_pages_stay_picked(store: Store, four: list[str], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(pages, "ROWS", 2)
    app = opened("runs", runs=four[0])
    assert app.dataframe[0].value["Id"].tolist() == [four[1], four[0]]  # a link opens the page of its run
    assert app.text_input(key=f"title-{four[0]}").value == "snip 0"
    app = opened("runs", runs=f"{four[0]},{four[3]}", table_page="1")
    assert "2 picked" in words(app)
    assert "1 run picked on other pages" in words(app)


@pytest.mark.thorough
def test_menus_of_very_many_runs_are_searched(store: Store, four: list[str], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(run_search, "OFFERED", 2)
    for page, key, query in (
        ("compare", "picked_runs", {"runs": four[0]}),
        ("export", "export_run", {"run": four[0]}),
        ("masks", "masks_run", {"run": four[0]}),
        ("stream", "stream_from", {"from": four[0]}),
        ("what_if", "what_if_run", {"run": four[0]}),
    ):
        app = opened(page, **query)
        menu = next(one for kind in (app.selectbox, app.multiselect) for one in kind if one.key == key)
        assert not any("snip 1" in option for option in menu.options), page
        assert [option for option in menu.options if "snip 0" in option], page  # the one that is shown
        app.text_input(key=f"{key}_search").set_value("pruner=snip seed=1").run()
        menu = next(one for kind in (app.selectbox, app.multiselect) for one in kind if one.key == key)
        assert [option for option in menu.options if "snip 1" in option], page
        assert not any("magnitude" in option for option in menu.options), page
        app.text_input(key=f"{key}_search").set_value("sparsty>1").run()
        assert "did you mean sparsity?" in words(app)


def test_a_link_that_a_fresh_process_is_asked_for_first_keeps_both_columns(store: Store) -> None:  # noqa: F811
    fake_runs.write(store)
    alone = AppTest.from_file(page_files.FOLDER / "runs.py", default_timeout=60)  # as Streamlit then runs it, without app.py
    alone.query_params["columns"] = ["tau", "epochs"]
    alone.run()
    app = AppTest.from_file(APP, default_timeout=60)
    app.session_state["_goto"] = alone.session_state["_goto"]
    app.run()
    assert not app.exception and app.multiselect(key="columns").value == ["tau", "epochs"]
