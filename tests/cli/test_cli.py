"""The command line: the public contract word by word, bad input in one line with nothing written, and runs that survive what people do."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ctrl_c
import numpy
import pytest
from PIL import Image

from appcore import paths
from appcore.cli.main import main
from appcore.config import RunConfig
from appcore.plugins import KINDS, choices
from appcore.presets import PRESETS
from appcore.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--arch", "mlp", "--megabatches", "2", "--epochs", "1", "--limit-train", "120", "--limit-test", "40", "--device", "cpu"]
# Several seconds long even on a fast machine, so that a signal finds it at work; with a checkpoint at the end of each megabatch.
LONG = ["--arch", "mlp", "--megabatches", "4", "--epochs", "40", "--batch-size", "16", "--device", "cpu"]
VERBS = ["run", "sweep", "list", "show", "log", "resume", "stop", "export", "import", "backup", "restore", "doctor", "bench", "check"]
VERBS += ["study"]

RESULT = {"run_id", "status", "config", "hashes", "megabatches", "totals", "forgetting", "error", "notes"}
MEGABATCH = {
    "megabatch", "density_requested", "density_mask", "density_effective", "density_alive", "layers", "train_accuracy", "val_accuracy",
    "test_accuracy", "generalization_gap", "test_errors", "cer", "samples_seen", "seconds",
    "clean_train_accuracy", "clean_gap", "parameters", "cumulative_parameters",
}  # fmt: skip
FLOPS = {
    f"{purpose}_flops_{kind}" for purpose in ("train", "scoring", "growth", "validation", "test", "total") for kind in ("dense", "sparse")
}
TOTALS = {"seconds", "images_per_second", "cer", "cumulative_parameters", "peak_memory_bytes", "weights_hash", *FLOPS}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "appcore", *arguments]


def surroundings(store: Path) -> dict[str, str]:
    return {**os.environ, "APPCORE_STORE": str(store), "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home: Path) -> subprocess.CompletedProcess[str]:
    """`run --json` as other programs call it."""
    arguments = {"cwd": ROOT, "env": surroundings(home / "appcore.db"), "capture_output": True, "text": True, "timeout": 300}
    return subprocess.run(command("run", *SMALL, "--json"), **arguments)


@pytest.fixture
def finished(first: subprocess.CompletedProcess[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The result of a run that is done, in the store that this test then uses."""
    monkeypatch.setenv("APPCORE_STORE", str(home / "appcore.db"))
    return json.loads(first.stdout)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """main() in this process: exit code, stdout, stderr."""

    def called(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return called


# ---- the contract


@pytest.mark.thorough
def test_run_prints_one_object_with_the_contracts_keys(first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("\n") == 1 and first.stdout.endswith("\n")
    result = json.loads(first.stdout)
    assert set(result) == RESULT
    assert result["status"] == "done" and result["error"] is None
    assert set(result["hashes"]) == {"init", "order", "scoring", "data"}
    assert set(result["config"]) == set(RunConfig.model_fields)
    assert [row["megabatch"] for row in result["megabatches"]] == [1, 2]
    assert all(set(row) == MEGABATCH | {"seen_accuracy"} and row["seen_accuracy"] is None for row in result["megabatches"])
    assert set(result["totals"]) == TOTALS and None not in result["totals"].values()
    row = result["megabatches"][-1]
    assert list(row["layers"]) == ["fc1.weight", "fc2.weight", "fc3.weight"]
    assert row["density_requested"] == pytest.approx(0.8**4.5)
    assert all(0 <= row[name] <= 1 for name in MEGABATCH if "density" in name or "accuracy" in name)
    assert row["generalization_gap"] == pytest.approx(row["train_accuracy"] - row["val_accuracy"])
    assert row["cer"] == result["totals"]["cer"] == sum(row["test_errors"] for row in result["megabatches"])


@pytest.mark.thorough
def test_progress_goes_to_stderr(first: subprocess.CompletedProcess[str]) -> None:
    assert first.stderr.startswith(f"run {json.loads(first.stdout)['run_id']}\n")
    assert "Traceback" not in first.stderr


def test_show_is_the_object_of_run_and_takes_a_beginning_of_the_id(finished: dict, call: Callable) -> None:
    code, out, err = call("show", finished["run_id"][:17], "--json")
    assert (code, json.loads(out), err) == (0, finished, "")
    code, out, _ = call("show", finished["run_id"])
    assert code == 0
    assert "arch: mlp" in out and f"run {finished['run_id']}: done" in out and "density requested" in out


def test_what_a_command_was_told_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APPCORE_SHARE", raising=False)
    monkeypatch.setenv("APPCORE_LOG", "mine")
    assert main(["run", "--share", "--log", "", "--arch", "nothing"]) == 2
    assert "APPCORE_SHARE" not in os.environ and os.environ["APPCORE_LOG"] == "mine"


def test_list_is_newest_first(finished: dict, call: Callable) -> None:
    code, out, _ = call("run", *SMALL, "--seed", "1", "--json")
    newest = json.loads(out)["run_id"]
    code, out, err = call("list", "--json")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert rows[0]["run_id"] == newest and finished["run_id"] in [row["run_id"] for row in rows]
    created = [row["created"] for row in rows]  # the ids of one second are in no order
    assert created == sorted(created, reverse=True)
    assert all(row["status"] == "done" for row in rows)
    code, out, _ = call("list")
    assert out.splitlines()[0].split()[:4] == [newest, "done", "app", "snip"]


def test_an_empty_store_is_no_error_and_is_not_created(call: Callable, tmp_path: Path) -> None:
    assert call("list", "--json") == (0, "[]\n", "")
    code, out, err = call("list")
    assert (code, out) == (0, "") and "python -m appcore run" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_run_by_thread_and_process(finished: dict, call: Callable) -> None:
    code, out, err = call("run", *SMALL, "--launcher", "process", "--json")
    assert code == 0, err
    assert json.loads(out)["totals"]["weights_hash"] == finished["totals"]["weights_hash"]
    assert json.loads(out)["hashes"] == finished["hashes"]


@pytest.mark.thorough
def test_a_done_run_is_neither_stopped_nor_resumed(finished: dict, call: Callable) -> None:
    assert call("stop", finished["run_id"], "--json") == (0, json.dumps({"run_id": finished["run_id"], "status": "done"}) + "\n", "")
    code, out, err = call("resume", finished["run_id"])
    assert (code, out) == (2, "") and "is done" in err and err.count("\n") == 1


def test_export_and_import(finished: dict, call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call("export", finished["run_id"], "--to", str(tmp_path / "out"), "--json")
    files = json.loads(out)["files"]
    assert code == 0 and all(Path(file).is_file() for file in files)
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == finished
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "other" / "appcore.db"))
    assert call("import", files[-1]) == (0, f"run {finished['run_id']}\n", "")
    assert json.loads(call("show", finished["run_id"], "--json")[1]) == finished
    assert call("import", files[-1], "--json") == (0, json.dumps({"run_id": finished["run_id"]}) + "\n", "")


def test_a_run_that_fails_ends_with_1_and_keeps_the_cause(call: Callable) -> None:
    code, out, err = call("run", *SMALL, "--lr", "100", "--epochs", "30", "--weight-decay", "10", "--json")
    result = json.loads(out)
    assert code == 1 and result["status"] == "failed"
    assert "lr" in result["error"] and f"error: {result['error']}" in err
    code, out, _ = call("show", result["run_id"])
    assert result["error"] in out


def test_presets_options_and_the_data_sets_recipe_reach_the_run(call: Callable) -> None:
    _, out, _ = call("run", *SMALL, "--preset", "quick", "--pruner", "synflow", "--option", "rounds=2", "--lr-drops", "0.3,0.6", "--json")
    config = json.loads(out)["config"]
    assert (config["options"], config["lr_drops"], config["flip"]) == ({"rounds": 2}, [0.3, 0.6], False)
    assert config["dataset"] == "digits"


def test_data_are_loaded_once(call: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are looked at before the run is created, and then shared with it."""
    from appcore.datasets import digits

    loads, load = [], digits.load
    monkeypatch.setattr(digits, "load", lambda config: loads.append(1) or load(config))
    assert call("run", *SMALL, "--limit-train", "121", "--json")[0] == 0
    assert len(loads) == 1


def test_no_command_prints_help_and_every_help_reads_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    overview = capsys.readouterr().out
    assert all(f"\n    {verb} " in overview for verb in VERBS) and "130 interrupted" in overview
    for verb in VERBS:
        with pytest.raises(SystemExit) as ended:
            main([verb, "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert "--json" in text and text.startswith("usage: python -m appcore ")
        assert all(len(line) <= 120 for line in text.splitlines())


def test_every_setting_and_every_plugin_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = " ".join(capsys.readouterr().out.replace("-\n", "-").split())
    for name, field in RunConfig.model_fields.items():
        assert ("--option NAME=VALUE" if name == "options" else f"--{name.replace('_', '-')}") in text
        assert name == "options" or field.description.split(";")[0] in text
    joined, of_runs = text.replace(" ", ""), set(KINDS) - {"lessons"}
    assert all(name in joined for kind in of_runs for name in choices(kind)) and all(name in joined for name in PRESETS)
    assert all(f"{option}=" in joined for kind in of_runs for choice in choices(kind).values() for option in choice.options)


# ---- bad input


def folder_of_images(folder: Path, train: dict[str, int], test: dict[str, int]) -> Path:
    for split, counts in (("train", train), ("test", test)):
        for name, count in counts.items():
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                Image.fromarray(numpy.full((8, 8), index, "uint8")).save(folder / split / name / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders and files that cannot be used."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty").mkdir()
    folder_of_images(folder / "one-class", {"a": 3}, {"a": 1})
    folder_of_images(folder / "no-test-class", {"a": 3, "b": 3}, {"a": 1})
    folder_of_images(folder / "few", {"a": 3, "b": 3}, {"a": 1, "b": 1})
    unreadable = folder_of_images(folder / "unreadable", {"a": 3, "b": 3}, {"a": 1, "b": 1})
    (unreadable / "train" / "a" / "0.png").write_bytes(b"no image")
    with zipfile.ZipFile(folder / "up.zip", "w") as file:
        file.writestr("../train/a/0.png", b"x")
    (folder / "text.zip").write_text("hello")
    return folder


BAD = {
    "unknown command": (["fly"], "fly"),
    "unknown flag": (["run", "--amount", "0.5"], "--amount"),
    "sparsity in percent": (["run", "--sparsity", "50"], "from 0 to below 1"),
    "several sparsities": (["run", "--sparsity", "0.5,0.9"], "0.5,0.9"),
    "sparsity and tau": (["run", "--sparsity", "0.5", "--tau", "3"], "give one of them"),
    "shortened flag": (["run", "--epoch", "3"], "--epoch"),
    "flag without value": (["run", "--epochs"], "--epochs"),
    "extra word": (["list", "everything"], "everything"),
    "unknown preset": (["run", "--preset", "fast"], "fast"),
    "unknown launcher": (["run", "--launcher", "moon"], "moon"),
    "unknown arch": (["run", "--arch", "resnet21"], "resnet21"),
    "unknown dataset": (["run", "--dataset", "cifar11"], "cifar11"),
    "unknown method": (["run", "--method", "lth"], "lth"),
    "unknown pruner": (["run", "--pruner", "snap"], "snap"),
    "unknown replay": (["run", "--replay", "half"], "half"),
    "below range": (["run", "--megabatches", "0"], "'0'"),
    "above range": (["run", "--batch-size", "1000000"], "1000000"),
    "no number": (["run", "--epochs", "many"], "many"),
    "half an epoch": (["run", "--epochs", "2.5"], "2.5"),
    "NaN": (["run", "--tau", "nan"], "nan"),
    "infinite": (["run", "--lr", "inf"], "inf"),
    "negative": (["run", "--seed", "-1"], "-1"),
    "lr drops": (["run", "--lr-drops", "0.5,1.5"], "lr_drops"),
    "option shape": (["run", "--option", "rounds"], "rounds"),
    "option unknown": (["run", "--option", "speed=3"], "speed"),
    "option range": (["run", "--pruner", "synflow", "--option", "rounds=-3"], "-3"),
    "more megabatches than images": (["run", "--limit-train", "5", "--megabatches", "9"], "9 megabatches"),
    "newline in a value": (["run", "--arch", "two\nlines"], "two"),
    "escape in a flag": (["run", "--a\x1b[31m\nb"], "--a"),
    "no such folder": (["run", "--dataset", "images:{bad}/nowhere"], "nowhere"),
    "empty folder": (["run", "--dataset", "images:{bad}/empty"], "empty"),
    "one class": (["run", "--dataset", "images:{bad}/one-class"], "one-class"),
    "class missing in test": (["run", "--dataset", "images:{bad}/no-test-class"], "class b"),
    "fewer images than megabatches": (["run", "--dataset", "images:{bad}/few"], "megabatches"),
    "unreadable image": (["run", "--dataset", "images:{bad}/unreadable", "--megabatches", "1", "--arch", "mlp"], "0.png"),
    "zip that climbs": (["run", "--dataset", "images:{bad}/up.zip"], "../train/a/0.png"),
    "no zip": (["run", "--dataset", "images:{bad}/text.zip"], "text.zip"),
    "unknown layer": (["run", "--arch", "mlp", "--exempt", "fc9"], "fc9"),
    "show unknown": (["show", "2020"], "2020"),
    "show without run": (["show"], "RUN"),
    "resume unknown": (["resume", "2020"], "2020"),
    "stop unknown": (["stop", "../x"], "../x"),
    "export unknown": (["export", "2020", "--to", "{bad}/out"], "2020"),
    "export nowhere": (["export", "2020"], "--to"),
    "import nothing": (["import", "{bad}/nothing.zip"], "nothing.zip"),
    "import other": (["import", "{bad}/text.zip"], "text.zip"),
    "import folder": (["import", "{bad}"], "bad"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_that_names_the_value_and_writes_nothing(name: str, call: Callable, bad: Path, tmp_path: Path) -> None:
    arguments, names = BAD[name]
    before = sorted(bad.rglob("*"))
    code, out, err = call(*(argument.replace("{bad}", str(bad)) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and err.strip().isprintable()
    assert names in err
    code, out, again = call(*(argument.replace("{bad}", str(bad)) for argument in [arguments[0], "--json", *arguments[1:]]))
    assert (
        code == 2 and out.count("\n") == 1 and json.loads(out) == {"error": again.removeprefix("error: ").rstrip("\n")} and names in again
    )
    assert sorted(bad.rglob("*")) == before and not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_bad_input_with_an_object_to_those_who_want_json(verb: str, call: Callable) -> None:
    code, out, err = call(verb, "--json", "--nonsense")
    assert (code, json.loads(out)) == (2, {"error": err.removeprefix("error: ").rstrip("\n")}) and err.startswith("error: ")


def test_no_such_device_is_bad_input(call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, err = call("run", *SMALL[:-1], "cuda")
    assert (code, out, err.count("\n")) == (2, "", 1) and "'cuda'" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", [["list"], ["run", *SMALL], ["show", "2020"], ["import", "{bundle}"]])
def test_a_broken_store_is_named(verb: list[str], call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("APPCORE_STORE", str(broken))
    if verb[0] != "import":
        code, out, err = call(*verb)
        assert (code, out, err.count("\n")) == (2, "", 1) and "broken.db" in err
    monkeypatch.setenv("APPCORE_STORE", "mysql://user:secret@host/name")
    code, out, err = call(*verb)
    assert (code, out, err.count("\n")) == (2, "", 1) and "secret" not in err


def test_a_locked_store_is_named(finished: dict, home: Path, call: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.service import manager

    held = Store(home / "appcore.db", busy_seconds=0.2)
    monkeypatch.setattr("appcore.service.manager.shared", lambda: manager.Manager(held))
    with sqlite3.connect(home / "appcore.db") as connection:
        connection.execute("BEGIN EXCLUSIVE")
        code, out, err = call("list")
        connection.rollback()
    assert (code, out, err.count("\n")) == (2, "", 1) and "is locked" in err


@pytest.mark.thorough
@pytest.mark.parametrize(("scope", "is_told"), [("global", True), ("layer", False)])
def test_what_ranking_filters_over_the_whole_network_does_is_told(call: Callable, scope: str, is_told: bool) -> None:
    code, _, said = call("run", *SMALL, "--granularity", "filter", "--scope", scope)
    assert code == 0 and ("a small layer can lose all of its own" in said) == is_told


@pytest.mark.thorough
def test_bad_settings_are_refused_without_torch() -> None:
    script = (
        "import sys; from appcore.cli.main import main; print(main(sys.argv[1:]), {'torch', 'pandas', 'sqlalchemy'} & set(sys.modules))"
    )
    for arguments in (["--arch", "x"], ["--dataset", "images:/nowhere"], ["--megabatches", "2000"], ["--device", "x"]):
        done = subprocess.run([sys.executable, "-c", script, "run", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.stdout == "2 set()\n", done.stderr


@pytest.mark.thorough
def test_a_missing_package_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "sqlalchemy.py").write_text("raise ModuleNotFoundError('none', name='sqlalchemy')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(command("list"), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: the package sqlalchemy is not installed; run: pip install -r requirements.txt\n"


def test_a_torch_pair_that_does_not_match_is_one_line(call: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appcore.installation.mismatch", lambda: "torch 1 and torchvision 2 do not match.")
    for verb in (["run", *SMALL], ["bench", "--quick"]):
        assert call(*verb) == (2, "", "error: torch 1 and torchvision 2 do not match.\n")


@pytest.mark.thorough
def test_a_reader_that_goes_away_is_no_error(finished: dict) -> None:
    done = subprocess.run(["bash", "-c", f"{' '.join(command('show', finished['run_id']))} | true; echo ${{PIPESTATUS[0]}}"], cwd=ROOT, capture_output=True, text=True, timeout=60)  # fmt: skip # noqa: E501
    assert done.stdout == "0\n" and done.stderr == ""


# ---- what people do to runs


class Running:
    """`run` in a process of its own."""

    def __init__(self, store: Path):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command("run", *LONG, "--json"), cwd=ROOT, env=surroundings(store), preexec_fn=ctrl_c.obey, **pipes)
        self.store = Store(store)
        self.run_id = ""

    def freeze(self) -> None:
        """SIGSTOP, at a moment when the process does not hold the store's lock."""
        for _ in range(100):
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)  # until it has arrived
            try:
                with closing(sqlite3.connect(self.store.url.removeprefix("sqlite:///"), timeout=0)) as connection:
                    connection.execute("BEGIN EXCLUSIVE")
                return
            except sqlite3.OperationalError:
                self.process.send_signal(signal.SIGCONT)
                time.sleep(0.05)
        raise AssertionError("the store is always locked")

    def wait_for_second_megabatch(self) -> None:
        """Until a checkpoint lies there and more has been trained since."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[1]
            row = next(iter(self.store.runs()), None) if self.store.folder.joinpath("appcore.db").exists() else None
            if row and row["progress"] and row["progress"]["megabatch"] >= 1:
                self.run_id = row["run_id"]
                if row["progress"]["epoch"] >= 1 and paths.manifests(paths.run_folder(self.store.folder, self.run_id)):
                    return
            time.sleep(0.05)
        raise AssertionError("the run did not get anywhere")


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("APPCORE_STORE", str(tmp_path / "runs" / "appcore.db"))
    found = Running(tmp_path / "runs" / "appcore.db")
    try:
        found.wait_for_second_megabatch()
        yield found
    finally:
        found.process.kill()
        found.process.wait()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same run, left alone."""
    store = tmp_path_factory.mktemp("uninterrupted") / "appcore.db"
    done = subprocess.run(command("run", *LONG, "--json"), cwd=ROOT, env=surroundings(store), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_resumed(call: Callable, run_id: str, uninterrupted: dict[str, Any]) -> None:
    code, out, err = call("resume", run_id, "--json")
    assert code == 0, err
    assert out.count("\n") == 1
    result = json.loads(out)
    assert result["run_id"] == run_id and set(result) == RESULT
    assert result["totals"]["weights_hash"] == uninterrupted["totals"]["weights_hash"]
    varying = ("seconds",)
    for ours, theirs in zip(result["megabatches"], uninterrupted["megabatches"], strict=True):
        assert {k: v for k, v in ours.items() if k not in varying} == {k: v for k, v in theirs.items() if k not in varying}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_asked_to_end_it_stops_and_the_run_goes_on_later(
    name: str, code: int, running: Running, call: Callable, uninterrupted: dict
) -> None:
    running.process.send_signal(getattr(signal, name))
    out, err = running.process.communicate(timeout=60)
    assert running.process.returncode == code, err
    assert json.loads(out)["status"] == "stopped" and len(json.loads(out)["megabatches"]) < 4
    assert f"python -m appcore resume {running.run_id}" in err and "Traceback" not in err
    row = running.store.get(running.run_id)
    if code != 130:  # nothing that was finished is done again
        assert row["saved"] == row["cursor"]
    assert_resumed(call, running.run_id, uninterrupted)


@pytest.mark.slow
def test_what_is_ignored_stays_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup."""
    line = f"trap '' HUP TERM; {' '.join(command('run', *SMALL, '--json'))} & sleep 0.5; kill -HUP $!; sleep 2; kill -TERM $!; wait $!"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=surroundings(tmp_path / "a.db"), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_check_that_is_asked_to_end_ends_without_a_traceback(name: str, tmp_path: Path) -> None:
    arguments = {"cwd": ROOT, "env": surroundings(tmp_path / "a.db"), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command("check", "--quick"), preexec_fn=ctrl_c.obey, **arguments)
    assert process.stderr is not None and "experiment 1" in process.stderr.readline()
    process.send_signal(getattr(signal, name))
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + getattr(signal, name) and "Traceback" not in err


@pytest.mark.slow
def test_a_killed_run_is_lost_and_resumes_with_the_same_bits(running: Running, call: Callable, uninterrupted: dict) -> None:
    running.process.kill()
    running.process.communicate(timeout=60)
    (row,) = json.loads(call("list", "--json")[1])
    assert (row["run_id"], row["status"]) == (running.run_id, "lost")
    assert_resumed(call, running.run_id, uninterrupted)


@pytest.mark.slow
def test_stop_from_another_process(running: Running, call: Callable, uninterrupted: dict) -> None:
    start = time.monotonic()
    assert call("stop", running.run_id) == (0, f"run {running.run_id}: stopped\n", "")
    assert time.monotonic() - start < 10
    out, err = running.process.communicate(timeout=60)
    assert running.process.returncode == 130 and json.loads(out)["status"] == "stopped", err
    assert_resumed(call, running.run_id, uninterrupted)


@pytest.mark.slow
def test_a_run_that_does_not_answer_is_said_to_be_active(running: Running, call: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appcore.cli.main.STOP_SECONDS", 0.3)
    running.freeze()
    try:
        code, out, err = call("stop", running.run_id, "--json")
    finally:
        running.process.send_signal(signal.SIGCONT)
    assert code == 1 and json.loads(out)["status"] == "running" and "has not answered" in err
