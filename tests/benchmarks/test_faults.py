"""No kill loses or doubles anything, and no damaged file is read as if it were whole. All of it: `python benchmarks/faults.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(ROOT / "benchmarks" / "faults.py"), "--no-table"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_sample_of_kills_and_damages(tmp_path: Path) -> None:
    """In a process of its own, in which torch has never used a second thread: forking is safe there."""
    sample = ["--methods", "app", "rigl", "--every", "61", "--damages", "30", "--signals", "0", "--interruptions", "0"]
    done = subprocess.run([*COMMAND, *sample], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for method in ("app", "rigl"):
        assert f"{method}: kills" in done.stdout
        assert f"{method}: single failures" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs its signals")
def test_a_few_moments_at_which_a_command_is_asked_to_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    sample = ["--only", "interruptions", "--interruptions", "4", "--keep", str(log)]
    done = subprocess.run([*COMMAND, *sample], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIGTERM, half over" in done.stdout and "SIGHUP, half over" in done.stdout
    assert len(log.read_text().splitlines()) == 8


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_sample_of_killed_backups_that_is_cut_off_and_goes_on(tmp_path: Path) -> None:
    for count in (3, 6):
        sample = ["--only", "backups", "--backups", str(count), "--keep", str(tmp_path / "kept")]
        done = subprocess.run([*COMMAND, *sample], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"| {count} | killed " in done.stdout and "each restored whole" in done.stdout
        assert str(tmp_path) not in done.stdout
        assert len((tmp_path / "kept").read_text().splitlines()) == count
