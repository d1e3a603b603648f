"""docs/OWN.md, followed word for word: its files are written, its commands are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
FILES = ("net.py", "make_images.py", "start.py", "from_python.py")  # that the tutorial has one write, in this order


@pytest.mark.slow
@pytest.mark.thorough
def test_a_network_images_and_weights_of_ones_own(tmp_path: Path) -> None:
    programs, where = {"pruning-lab": [sys.executable, "-m", "appcore"], "python": [sys.executable]}, tmp_path / "mine"
    inside = {**os.environ, "PYTHONPATH": str(ROOT), "APPCORE_SHARE": "1", "APPCORE_STORE": str(where / "runs" / "appcore.db")}
    names, first, done = iter(FILES), "RUN", []

    def follow(words: list[str]) -> str:
        command = [*programs[words[0]], *words[1:]]
        found = subprocess.run(command, cwd=where, env=inside, capture_output=True, text=True, timeout=120, check=False)
        assert found.returncode == 0, f"{' '.join(words)}\n{found.stderr}"
        done.append(words)
        return found.stdout

    for kind, body in BLOCK.findall((ROOT / "docs" / "OWN.md").read_text(encoding="utf-8")):
        if kind == "python":
            (where / next(names)).write_text(body, encoding="utf-8")
            continue
        for line in body.strip().splitlines():
            if line in ("mkdir mine", "cd mine"):
                where.mkdir(exist_ok=True)
                continue
            said = follow([first if word == "RUN" else word for word in line.split()])
            first = said.strip().splitlines()[-1].split()[0] if line == "pruning-lab list" else first
    assert len(done) == 7 and re.search(r"\s0\.9|\s1\.0", follow(["python", FILES[-1]]))  # stripes are easy
