"""Two verbs at one moment: check and change are one transaction. All of it: `python benchmarks/faults.py --only pairs`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_sample_of_pairs(tmp_path: Path) -> None:
    """In a process of its own, in which torch has never used a second thread: forking is safe there."""
    command = [sys.executable, str(ROOT / "benchmarks" / "faults.py"), "--only", "pairs", "--pairs", "12", "--others", "3", "--no-table"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delete against resume | 12 | " in done.stdout and "import against restore | 3 | " in done.stdout
