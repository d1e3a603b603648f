"""One bad row never takes a page or a verb down: every page and every reading verb with a store full of them."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import bad_rows
import fake_masks
import fake_runs
import pytest
from test_pages import opened, words

from appcore.cli.main import main
from appcore.service import manager
from appcore.storage.store import Store
from appcore.ui.app import page_files

CASES = list(bad_rows.cases())
ONE_EACH = dict(CASES)  # the last value of each column


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are tested without importing torch."""
    box = types.ModuleType("_appcore_warm_up")
    box.thread = None
    monkeypatch.setitem(sys.modules, "_appcore_warm_up", box)
    unready = {"state": "failed", "error": "not scored in this test", "key": ""}
    monkeypatch.setattr(manager.Manager, "scores", lambda *arguments: unready)
    monkeypatch.setattr(
        manager.Manager, "estimate", lambda *arguments: {**dict.fromkeys(("samples", "training_flops", "memory_bytes"), 1), "seconds": 1.0}
    )


def file_of(store: Store) -> Path:
    return Path(store.url.removeprefix("sqlite:///"))


@pytest.fixture
def store() -> Store:
    return manager.shared().store


@pytest.fixture
def spoiled(store: Store) -> tuple[str, list[str]]:
    """(a whole run, runs with one wrong value each: every column and every kind of value)."""
    bad = [fake_runs.write(store, until=4, status="failed", title=f"bad {number}", megabatches=2, epochs=1) for number in range(len(CASES))]
    good = fake_masks.write(store, title="the good one")
    for run_id, (column, value) in zip(bad, CASES):
        bad_rows.write(file_of(store), run_id, column, f"{value}{run_id}" if column == "run_id" else value)
    assert len(store.survey()[1]) > 100
    return good, bad


@pytest.mark.slow
def test_every_page_shows_the_whole_run_and_names_the_others(spoiled: tuple[str, list[str]]) -> None:
    good, _ = spoiled
    query = {"run": {"run": good}, "compare": {"runs": good}, "masks": {"run": good}, "export": {"run": good}, "stream": {"view": "runs"}}
    for name in page_files.found():
        text = words(opened(name, **query.get(name, {})))
        if name not in ("run", "lessons", "ablations", "playground", "glossary", "machines"):  # which read one run, ablations, and no run
            assert "cannot be read and are left out here" in text, name
        if name in ("home", "run"):  # the rail of Compare is drawn by the browser
            assert "the good one" in text or "APP · SNIP" in text, name


@pytest.mark.slow
def test_the_page_of_each_of_them_says_so_in_one_line(spoiled: tuple[str, list[str]]) -> None:
    for run_id, (column, value) in zip(spoiled[1], CASES):
        if column == "run_id" or ONE_EACH[column] is not value:
            continue
        app = opened("run", run=run_id)
        assert column in app.error[0].value.replace("\\", "") and "\n" not in app.error[0].value
        if column in ("config", "created", "started"):
            for name in ("compare", "export", "masks", "stream", "what_if"):
                opened(name, **{"runs" if name in ("compare", "stream") else "run": run_id})


@pytest.mark.thorough
def test_wrong_rows_of_a_run_are_named_where_its_figures_are(store: Store) -> None:
    run_id, other = fake_runs.write(store), fake_runs.write(store, pruner="magnitude")
    for table, column, value in (("layer_counts", "counts", "[5]"), ("epochs", "megabatch", 999), ("prunes", "facts", "no json")):
        bad_rows.write(file_of(store), run_id, column, value, table, f"AND segment = (SELECT max(segment) FROM {table})")
    for name, query in (("run", {"run": run_id}), ("compare", {"runs": f"{run_id},{other}"}), ("stream", {"runs": f"{run_id},{other}"})):
        text = words(opened(name, **query))
        assert f"layer_counts of {run_id}" in text and "left out here" in text, name


@pytest.mark.thorough
def test_a_run_whose_plug_in_is_gone_keeps_its_page(store: Store) -> None:
    run_id, other = fake_runs.write(store, title="alone"), fake_runs.write(store, title="whole")
    config = store.get(run_id)["config"]
    store.update(run_id, method="vanished", pruner="vanished", config={**config, "method": "vanished", "pruner": "vanished"})
    for name in page_files.found():
        opened(
            name, **{"runs" if name in ("compare", "stream") else "run": f"{run_id},{other}" if name in ("compare", "stream") else run_id}
        )
    assert "All settings" in [expander.label for expander in opened("run", run=run_id).expander]


VERBS = (["list"], ["list", "--json"], ["doctor"], ["doctor", "--json"])


@pytest.mark.slow
def test_every_reading_verb_answers(spoiled: tuple[str, list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good, bad = spoiled
    for verb in VERBS:
        code = main(verb)
        found = capsys.readouterr()
        assert (code in (0, 1) and "Traceback" not in found.err and good in found.out + found.err) or verb[0] == "doctor"
        if verb == ["list", "--json"]:
            assert good in [row["run_id"] for row in json.loads(found.out)]
        if verb == ["doctor", "--json"]:
            (rows,) = [finding for finding in json.loads(found.out) if finding["name"] == "rows"]
            assert not rows["ok"] and "--repair" in rows["text"]
    assert main(["show", good]) == 0 and main(["export", good, "--to", str(tmp_path / "out")]) == 0
    for run_id, (column, value) in zip(bad, CASES):
        if column == "run_id" or ONE_EACH[column] is not value:
            continue
        for verb in (["show", run_id], ["show", run_id, "--json"], ["export", run_id, "--to", str(tmp_path / "x")], ["stop", run_id]):
            code = main(verb)
            said = capsys.readouterr().err
            assert code in (0, 2) and "Traceback" not in said and len(said.splitlines()) <= 3, (verb, said)


def test_the_command_line_deletes(store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad, third = (fake_runs.write(store) for _ in range(3))
    bad_rows.write(file_of(store), bad, "config", "no json")
    assert main(["delete", bad]) == 2 and "--yes" in capsys.readouterr().err  # nobody there to be asked
    for answer, code in (("n\n", 2), ("\n", 2), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True, readline=lambda answer=answer: answer))
        assert main(["delete", third]) == code
    assert main(["delete", bad, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"run_id": bad, "deleted": True}
    assert [run["run_id"] for run in store.runs()] == [good] and store.survey()[1] == []
    assert main(["delete", "20990101", "--yes"]) == 2
    running = fake_runs.keep_alive(store, fake_runs.write(store, until=40, status="running"))
    assert main(["delete", running, "--yes"]) == 2 and "stop it" in capsys.readouterr().err


@pytest.mark.slow
def test_doctor_puts_them_aside(spoiled: tuple[str, list[str]], store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--repair", "--json"])
    (rows,) = [finding for finding in json.loads(capsys.readouterr().out) if finding["name"] == "rows"]
    assert rows["ok"] and "moved into" in rows["text"]
    assert store.survey()[1] == [] and spoiled[0] in [run["run_id"] for run in store.runs()]
