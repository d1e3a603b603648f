"""Nothing that tests have started outlives pytest, even where it was killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tether

ROOT = Path(__file__).parents[1]
SECONDS = 120.0  # the app imports all it needs first, on a machine that may be busy
# What tests start: the app, Chromium where it is installed, and a process that leaves pytest's session and its pipes, as Chromium does.
VICTIM = """
import contextlib, subprocess, sys, time
import browser

def test_that_takes_long(tmp_path):
    with contextlib.ExitStack() as stack:
        stack.enter_context(browser.app(tmp_path))
        if browser.CHROMIUM is not None:
            from playwright import sync_api
            chromium = stack.enter_context(sync_api.sync_playwright()).chromium
            chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS)).new_page()
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # LOOSE"], start_new_session=True)
        time.sleep(600)
"""


def wait(until: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no guard there")
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_pytest_leaves_no_app_and_no_browser_behind(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_victim.py").write_text(VICTIM)
    mark = secrets.token_hex(8)
    paths = os.pathsep.join(str(path) for path in (ROOT, ROOT / "tests", ROOT / "tests" / "helpers"))
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # this test may run in a worker itself
    environment = {**outer, "PYTHONPATH": paths, tether.MARK: f"{os.environ.get(tether.MARK, '')} {mark}"}
    options = ["-p", "conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "-n", workers]
    started = subprocess.Popen([sys.executable, "-m", "pytest", *options, str(tmp_path)], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait(lambda: started.poll() is not None or any("LOOSE" in line for line in lines(mark)), SECONDS)
        assert started.poll() is None
        assert sum("streamlit" in line for line in lines(mark)) == 1
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    wait(lambda: not tether.marked(mark), 20.0)


def lines(mark: str) -> list[str]:
    """The command lines of all that carry the mark."""
    found = []
    for process in tether.marked(mark):
        try:
            found.append(" ".join(process.cmdline()))
        except tether.psutil.Error:  # it has just ended
            continue
    return found
