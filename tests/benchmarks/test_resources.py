"""Faults of disk, clock, memory, data, threads and processes leave a run in a named state. All of it: `python benchmarks/resources.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs fork, mount and limits")
def test_each_ends_in_a_named_state_and_is_resumed() -> None:
    """In a process of its own, in which torch has never used a second thread: forking is safe there."""
    command = [sys.executable, str(ROOT / "benchmarks" / "resources.py"), "--quick", "--no-table"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the same bits") > 10
