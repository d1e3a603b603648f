"""`python -m appcore sweep`: the page's grid, its JSON, dry runs, the same command again, kills, failures, searches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctrl_c
import pytest

from appcore import paths
from appcore.cli.main import main
from appcore.planning import ablation_grid
from appcore.service.manager import shared
from appcore.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--arch", "mlp", "--megabatches", "2", "--epochs", "1", "--limit-train", "120", "--limit-test", "40", "--device", "cpu"]
GRID = [*SMALL, "--pruner", "snip,magnitude", "--seed", "0-1"]
DOCUMENT = {"sweep_id", "title", "status", "axes", "metric", "runs", "table", "left_out", "notes"}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """`sweep --json` in this process: exit code, document, stderr."""

    def called(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main(["sweep", *arguments, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return called


@pytest.mark.slow
def test_a_grid_is_run_and_the_same_command_again_starts_nothing(call: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    code, found, said = call(*GRID)
    assert code == 0, said
    assert set(found) == DOCUMENT and found["status"] == "done" and found["metric"] is None
    assert found["axes"] == {"pruner": ["snip", "magnitude"], "seed": [0, 1]} and found["title"] == "Pruner, 2 seeds"
    assert [tuple(run["values"].values()) for run in found["runs"]] == [("snip", 0), ("snip", 1), ("magnitude", 0), ("magnitude", 1)]
    assert all(run["status"] == "done" and run["error"] is None and 0 <= run["test_accuracy"] <= 1 for run in found["runs"])
    store = Store()
    for run in found["runs"]:
        row = store.megabatches(run["run_id"], newest=True).iloc[0]
        assert run["test_accuracy"] == pytest.approx(row["test_accuracy"]) and run["cer"] == row["cer"]
    first = found["table"][0]
    accuracies = [run["test_accuracy"] for run in found["runs"][:2]]
    assert first["values"] == {"pruner": "snip"} and (first["runs"], first["done"], first["failed"]) == (2, 2, 0)
    assert first["test_accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    assert "4 of 4: Magnitude, seed 1: done" in said

    code, again, said = call(*GRID)
    assert (code, again) == (0, found) and len(store.runs()) == 4 and len(store.ablations.all()) == 1
    code, more, said = call(*GRID[:-1], "0-2")  # another ablation, which takes over what there is
    assert code == 0 and len(more["runs"]) == 6 and len(store.runs()) == 6
    assert {run["run_id"] for run in found["runs"]} < {run["run_id"] for run in more["runs"]}

    assert main(["sweep", *GRID]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0].split()[:2] == ["pruner", "done"] and "2/2" in text and text.endswith("4 of 4 runs done\n")
    assert text.count("snip") == 1 and "?" not in text


@pytest.mark.slow
def test_it_is_the_ablation_of_the_page(call: Callable) -> None:
    """What the page would have run is not run again, and the page shows what the command ran."""
    base = {"arch": "mlp", "megabatches": 2, "epochs": 1, "limit_train": 120, "limit_test": 40, "device": "cpu"}
    manager = shared()
    sweep = manager.ablations.create("", base, {"pruner": ["snip"], "seed": [0]})
    (run_id,) = manager.ablations.run_missing(sweep)["started"]
    assert manager.wait(run_id, timeout=120) == "done"
    code, found, _ = call(*SMALL, "--pruner", "snip", "--seed", "0", "--sparsity", "0.6336,0.9")
    assert code == 0 and [run["run_id"] == run_id for run in found["runs"]] == [True, False]  # 0.6336 is tau 4.5, the default
    board = manager.ablations.board(found["sweep_id"])
    assert [cell["run"]["run_id"] for cell in board["cells"]] == [run["run_id"] for run in found["runs"]]


@pytest.mark.thorough
def test_a_dry_run_writes_nothing_and_says_what_there_is(call: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*GRID, "--semantics", "paper,released-code", "--method", "app,osp", "--dry-run"]
    code, found, _ = call(*words)
    assert code == 0 and not list(tmp_path.rglob("*.db"))
    assert set(found) == {"dry_run", "title", "axes", "runs", "left_out", "cost"} and found["dry_run"] is True
    assert len(found["runs"]) == 12 and {run["status"] for run in found["runs"]} == {None}
    assert len(found["left_out"]) == 4 and "released-code" in found["left_out"][0]["reason"]
    assert found["cost"]["training_flops"] > 0 and found["cost"]["samples"] > 0
    call(*GRID)
    _, found, _ = call(*words)
    assert sorted(run["status"] or "" for run in found["runs"]) == [""] * 8 + ["done"] * 4
    assert len(Store().runs()) == 4
    assert main(["sweep", *words]) == 0
    assert "12 runs, 8 of them new" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.slow
def test_a_run_that_fails_is_named_and_the_others_are_run(call: Callable) -> None:
    words = [*SMALL[:4], "--epochs", "30", *SMALL[6:], "--lr", "0.1,100", "--weight-decay", "10"]
    code, found, _ = call(*words)
    states = {run["values"]["lr"]: run["status"] for run in found["runs"]}
    assert code == 1 and found["status"] == "failed" and states[100.0] == "failed"
    assert found["table"][1]["failed"] == 1 and "lr" in found["runs"][1]["error"]
    assert found["runs"][1]["test_accuracy"] is None


BAD = {
    "nothing": ([], "values for a setting"),
    "unknown pruner": (["--pruner", "snip,snap"], "snap"),
    "no value": (["--seed", ""], "seed"),
    "over range": (["--lr", "0.1,1000"], "1000"),
    "no count": (["--lr", "0.1:1"], "how many"),
    "sparsity": (["--sparsity", "50"], "sparsity"),
    "both": (["--sparsity", "0.5", "--tau", "1,2"], "tau"),
    "too many": (["--seed", "0-499", "--lr", "0.1,0.2"], "too many"),
    "option": (["--option", "nothing=1,2"], "nothing"),
    "option shape": (["--option", "rounds"], "NAME=VALUE"),
    "data": (["--dataset", "images:nowhere", "--seed", "0-1"], "nowhere"),
    "layer": (["--arch", "mlp", "--exempt", "fc9", "--seed", "0-1"], "fc9"),
    "launcher": (["--seed", "0-1", "--launcher", "none"], "none"),
    "no workers": (["--seed", "0-1", "--workers", "0"], "workers"),
    "workers here": (["--seed", "0-1", "--workers", "2", "--launcher", "thread"], "thread"),
    "preset": (["--seed", "0-1", "--preset", "fast"], "fast"),
    "trials alone": (["--seed", "0-1", "--trials", "3"], "--search"),
    "nothing searched": (["--seed", "0-1", "--search", "random"], "nothing to search"),
    "seed searched": (["--seed", "0:9", "--lr", "0.1:1", "--search", "random"], "seed"),
    "no rungs": (["--lr", "0.1:1", "--search", "halving"], "rungs"),
    "falling rungs": (["--lr", "0.1:1", "--search", "halving", "--rungs", "epochs=3,1"], "rising"),
    "rungs twice": (["--lr", "0.1:1", "--epochs", "3", "--search", "halving", "--rungs", "epochs=1,3"], "epochs"),
    "rungs of words": (["--lr", "0.1:1", "--search", "halving", "--rungs", "pruner=snip,magnitude"], "rising"),
    "no trials": (["--lr", "0.1:1", "--search", "random", "--trials", "0"], "trials"),
    "metric": (["--lr", "0.1:1", "--search", "random", "--metric", "beauty"], "beauty"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(name: str, call: Callable, tmp_path: Path) -> None:
    words, names = BAD[name]
    code, found, said = call(*words)
    assert code == 2 and set(found) == {"error"} and said.count("\n") == 1 and names in said, said
    assert not list(tmp_path.rglob("*.db"))


class _Sweep:
    """`sweep` in a process of its own."""

    LONG = ("--arch", "mlp", "--megabatches", "3", "--epochs", "40", "--batch-size", "16", "--device", "cpu", "--pruner", "snip,magnitude")
    ONE_BY_ONE = ("--workers", "1")

    def __init__(self, store: Path, *words: str):
        environment = {**os.environ, "APPCORE_STORE": str(store), "PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [sys.executable, "-m", "appcore", "sweep", *self.LONG, *words, "--json"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, preexec_fn=ctrl_c.obey, **pipes)
        self.store = Store(store)

    def wait_until_the_second_run_has_a_checkpoint(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[1]
            for row in self.store.runs() if self.store.exists() else []:
                is_second = row["status"] == "running" and row["pruner"] == "magnitude"
                if is_second and paths.manifests(paths.run_folder(self.store.folder, row["run_id"])):
                    return
            time.sleep(0.05)
        raise AssertionError("the runs did not get anywhere")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The weights in the end, by pruner, of the same runs left alone."""
    sweep = _Sweep(tmp_path_factory.mktemp("uninterrupted") / "appcore.db", *_Sweep.ONE_BY_ONE)
    _, said = sweep.process.communicate(timeout=300)
    assert sweep.process.returncode == 0, said
    return {run["pruner"]: run["totals"]["weights_hash"] for run in sweep.store.runs()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -9), ("SIGINT", 130), ("SIGTERM", 143)])
def test_the_same_command_completes_what_was_interrupted(
    name: str, code: int, tmp_path: Path, uninterrupted: dict[str, str], call: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = _Sweep(tmp_path / "appcore.db", *_Sweep.ONE_BY_ONE)
    try:
        sweep.wait_until_the_second_run_has_a_checkpoint()
        sweep.process.send_signal(getattr(signal, name))
        out, said = sweep.process.communicate(timeout=60)
    finally:
        sweep.process.kill()
        sweep.process.wait()
    assert sweep.process.returncode == code, said
    before = {run["pruner"]: run for run in sweep.store.runs()}
    if code > 0:
        assert json.loads(out)["status"] == "stopped" and "the same command completes it" in said and "Traceback" not in said
        assert before["magnitude"]["status"] == "stopped"
    assert before["snip"]["status"] == "done" and len(before) == 2
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "appcore.db"))
    again, found, said = call(*_Sweep.LONG)
    after = {run["pruner"]: run for run in sweep.store.runs()}
    assert again == 0 and found["status"] == "done" and len(after) == 2, said
    assert after["snip"] == before["snip"]  # not touched
    assert {pruner: run["totals"]["weights_hash"] for pruner, run in after.items()} == uninterrupted


@pytest.mark.slow
def test_as_many_workers_as_wanted_train_at_once_with_the_same_bits(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    sweep, most = _Sweep(tmp_path / "appcore.db", "--workers", "2"), 0
    try:
        deadline = time.monotonic() + 240
        while sweep.process.poll() is None and time.monotonic() < deadline:
            running = sum(row["status"] == "running" for row in sweep.store.runs()) if sweep.store.exists() else 0
            most = max(most, running)
            time.sleep(0.1)
        _, said = sweep.process.communicate(timeout=60)
    finally:
        sweep.process.kill()
        sweep.process.wait()
    assert sweep.process.returncode == 0 and most == 2, said
    assert {run["pruner"]: run["totals"]["weights_hash"] for run in sweep.store.runs()} == uninterrupted


@pytest.mark.slow
def test_a_random_search_is_paired_and_repeats(call: Callable) -> None:
    pytest.importorskip("optuna")
    words = [*SMALL, "--pruner", "snip,magnitude", "--lr", "0.001:0.2:log", "--seed", "0-1", "--search", "random", "--trials", "3"]
    code, found, said = call(*words)
    assert code == 0, said
    assert len(found["runs"]) == 6 and len(found["table"]) == 3 and found["metric"] == "val_accuracy"
    means = [row["val_accuracy"]["mean"] for row in found["table"]]
    assert means == sorted(means, reverse=True)
    rows = {run["run_id"]: run for run in Store().runs()}
    by_seed = [{rows[run["run_id"]]["hashes"]["init"] for run in found["runs"] if run["values"]["seed"] == seed} for seed in (0, 1)]
    assert [len(hashes) for hashes in by_seed] == [1, 1] and by_seed[0] != by_seed[1]
    assert call(*words)[1] == found and len(Store().runs()) == 6
    cells = ablation_grid.expand(**{name: Store().ablations.get(found["sweep_id"])[name] for name in ("base", "axes", "picks")})["cells"]
    assert len(cells) == 6


@pytest.mark.slow
def test_halving_tries_the_best_for_longer(call: Callable) -> None:
    pytest.importorskip("optuna")
    words = [*SMALL[:4], *SMALL[6:], "--lr", "0.0001:0.3:log", "--seed", "0-1", "--search", "halving", "--trials", "6"]
    words += ["--rungs", "epochs=1,2,4", "--keep", "2"]
    code, found, said = call(*words)
    assert code == 0, said
    rungs = {epochs: [row for row in found["table"] if row["values"]["epochs"] == epochs] for epochs in (1, 2, 4)}
    assert [len(rows) for rows in rungs.values()] == [6, 3, 1] and len(found["runs"]) == 20
    best = [row["values"]["lr"] for row in sorted(rungs[1], key=lambda row: -row["val_accuracy"]["mean"])[:3]]
    assert {row["values"]["lr"] for row in rungs[2]} == set(best)
    assert found["table"][0]["values"]["epochs"] == 4
    assert call(*words)[1] == found and len(Store().runs()) == 20
    assert len(call(*words, "--dry-run")[1]["runs"]) == 12
