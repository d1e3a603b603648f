"""A command whose stdin, stdout or stderr is closed, goes away or takes nothing: the run goes on, and --json means JSON alone."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from appcore.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
SMALL = "--arch mlp --megabatches 2 --epochs 1 --limit-train 60 --limit-test 20 --batch-size 16 --device cpu"
RUN = f"run {SMALL} --json"


def shell(line: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which `appcore` is the command; its exit code is that of the first program of a pipe."""
    script = f'appcore() {{ {shlex.quote(sys.executable)} -m appcore "$@"; }}\n{line}\nexit "${{PIPESTATUS[0]}}"'
    around = {**os.environ, "PYTHONPATH": str(ROOT), "APPCORE_STORE": str(tmp_path / "runs.db"), **environment}
    return subprocess.run(["bash", "-c", script], cwd=tmp_path, env=around, capture_output=True, text=True, timeout=300, check=False)


def statuses(tmp_path: Path) -> list[str]:
    return [row["status"] for row in Store(tmp_path / "runs.db").runs()]


@pytest.mark.thorough
def test_without_stderr_a_run_goes_on_and_stdout_is_one_document(tmp_path: Path) -> None:
    done = shell(f"appcore {RUN} <&- 2>&-", tmp_path)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["status"] == "done" and done.stdout.count("\n") == 1
    assert statuses(tmp_path) == ["done"]


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&- --launcher process"])
def test_without_stdout_a_run_goes_on(closed: str, tmp_path: Path) -> None:
    done = shell(f"appcore {RUN} {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and statuses(tmp_path) == ["done"]


@pytest.mark.thorough
def test_a_reader_that_goes_away_under_way_does_not_end_the_run(tmp_path: Path) -> None:
    done = shell(f"appcore {RUN} 2>&1 | head -n 1", tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("run ") and done.stdout.count("\n") == 1
    assert statuses(tmp_path) == ["done"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_a_stream_does_not_end_the_run_and_a_lost_result_is_said(tmp_path: Path) -> None:
    done = shell(f"appcore {RUN} 2>/dev/full", tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "done"
    done = shell(f"appcore {RUN} --seed 1 >/dev/full", tmp_path)
    assert done.returncode == 1 and statuses(tmp_path) == ["done", "done"]
    assert done.stderr.splitlines()[-1] == "error: stdout could not be written (No space left on device); what was stored is stored"
    for verb, code in (("list --json", 1), ("run --help", 1), ("show 3 --json", 2)):
        done = shell(f"appcore {verb} >/dev/full", tmp_path)
        assert done.returncode == code and 1 <= done.stderr.count("\n") <= 2 and "Traceback" not in done.stderr, (verb, done.stderr)


@pytest.mark.thorough
@pytest.mark.parametrize("verb", ["list", "--help", "run --seed x"])
def test_no_command_fails_otherwise_without_its_streams(verb: str, tmp_path: Path) -> None:
    whole = shell(f"appcore {verb}", tmp_path)
    for closed in ("2>&-", "<&- >&- 2>&-"):
        done = shell(f"appcore {verb} {closed}", tmp_path)
        assert done.returncode == whole.returncode and done.stderr == ""
        assert done.stdout == ("" if ">&-" in closed.split() else whole.stdout)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_no_file_gets_the_number_of_a_closed_stream(closed: tuple[int, ...], tmp_path: Path) -> None:
    """What a library prints to stderr would be written into it."""
    script = (
        "import os, sys; from appcore import standard_streams; standard_streams.prepare();"
        "file = os.open('told', os.O_CREAT | os.O_WRONLY); os.write(file, str(file).encode());"
        "print('out'); print('err', file=sys.stderr); assert sys.stdin.read() == ''; sys.exit(standard_streams.finish(0))"
    )

    def close() -> None:
        for number in closed:
            os.close(number)

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, preexec_fn=close, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int((tmp_path / "told").read_text()) > 2
    assert done.stdout == ("" if 1 in closed else "out\n") and done.stderr == ("" if 2 in closed else "err\n")


@pytest.mark.slow
def test_what_a_plugin_prints_is_no_part_of_the_document(tmp_path: Path) -> None:
    pruners = tmp_path / "plugins" / "pruners"
    pruners.mkdir(parents=True)
    (pruners / "loud.py").write_text(
        '"""Magnitude, and a word on the way."""\n\nCHOICES = {"loud": "Loud"}\nprint("imported")\n\n\n'
        'def scores(task):\n    print("scoring")\n    return {name: weight.abs() for name, weight in task.weights.items()}\n'
    )
    done = shell(f"appcore {RUN} --pruner loud", tmp_path, APPCORE_PLUGINS=str(tmp_path / "plugins"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done" and "imported" in done.stderr


@pytest.mark.thorough
def test_a_terminal_that_knows_ascii_alone_shows_everything(tmp_path: Path) -> None:
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = shell("appcore show 'R\u00e9' ; appcore run --help", tmp_path, **ascii_alone)
    assert "Traceback" not in done.stderr and "usage:" in done.stdout
