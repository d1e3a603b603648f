"""With several workers, a test that is marked `alone` is alone, and tests of one costly fixture stay in one worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each test writes when it was begun and ended, and by whom.
BESIDE = """
import os, time, pytest

@pytest.fixture(scope="module")
def costly():
    return os.getpid()

@pytest.fixture(autouse=True)
def noted(request):
    begin = time.time()
    yield
    with open(os.environ["NOTES"], "a") as notes:
        print(request.node.name.partition("[")[0], begin, time.time(), os.getpid(), file=notes)

@pytest.mark.parametrize("nth", range(3))
def test_that_shares(costly, nth):
    time.sleep(0.1)
"""
APART = """
from test_beside import noted
import pytest, time

@pytest.mark.alone
@pytest.mark.parametrize("nth", range(2))
def test_alone(nth):
    time.sleep(0.2)

@pytest.mark.parametrize("nth", range(6))
def test_beside_others(nth):
    time.sleep(0.1)
"""


@pytest.mark.slow
def test_alone_is_alone_and_what_shares_stays_together(tmp_path: Path) -> None:
    (tmp_path / "test_beside.py").write_text(BESIDE)
    (tmp_path / "test_apart.py").write_text(APART)
    paths = os.pathsep.join(str(path) for path in (tmp_path, ROOT, ROOT / "tests", ROOT / "tests" / "helpers"))
    environment = {**os.environ, "PYTHONPATH": paths, "NOTES": str(tmp_path / "notes")}
    options = ["-p", "conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-n", "2"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    notes = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    assert len(notes) == 11 and len({worker for *_, worker in notes}) == 2
    assert len({worker for name, *_, worker in notes if name == "test_that_shares"}) == 1
    for mine in [note for note in notes if note[0] == "test_alone"]:
        beside = [note for note in notes if note is not mine and float(note[1]) < float(mine[2]) and float(mine[1]) < float(note[2])]
        assert beside == []
