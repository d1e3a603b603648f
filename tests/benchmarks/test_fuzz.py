"""A few hundred of the made-up inputs of `python benchmarks/fuzz.py`, so that the fuzzer itself keeps working."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_few_hundred_cases_end_in_a_value_or_in_one_line() -> None:
    done = subprocess.run([sys.executable, "benchmarks/fuzz.py", "--cases", "400"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout)
    assert told["cases"] == 400 and told["crashes"] == 0
    # Each reader took some and refused some: a fuzzer whose every case is refused at the door finds nothing.
    for reader in ("settings", "limits", "zip", "image", "bundle"):
        assert told.get(f"{reader} refused", 0) > 0, told
    assert sum(told.get(f"{reader} taken", 0) for reader in ("settings", "limits", "zip", "image", "bundle")) > 0
