"""The real app on a free port with a store of its own, and headless Chromium to look at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 60_000  # ms: slow machines are allowed, wrong states are not


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def app(folder: Path, *options: str, port: int = 0, script: str = "app.py", store: str = "") -> Iterator[str]:
    """A fresh process of the app whose store lies in `folder`, or at a URL; gives its address. Nothing is requested before tests do."""
    port = port or free_port()
    environment = {**os.environ, "APPCORE_STORE": store or str(folder / "runs.db")}
    environment.setdefault("OMP_NUM_THREADS", "1")
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless=true", f"--server.port={port}", *options]
    log = (folder / "app.log").open("wb")
    place = Path(script).parent if Path(script).is_absolute() else ROOT  # of another checkout: with its modules
    process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/_stcore/health", process)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


def _wait(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the app did not start"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.2)
    raise AssertionError("the app did not answer")


def insist(page: Any, act: Callable[[], object], condition: str) -> None:
    """Act until a JavaScript condition holds: where a machine stutters, what is pressed may be drawn anew between press and release."""
    from playwright.sync_api import Error, TimeoutError

    for attempt in range(8):
        page.set_default_timeout(2000 if attempt else PATIENCE)  # what was pressed with effect may be gone, and is not waited for
        with contextlib.suppress(Error):  # it has just been replaced, or there are two of it for a moment
            act()
        page.set_default_timeout(PATIENCE)
        with contextlib.suppress(TimeoutError):
            page.wait_for_function(condition, timeout=8000)
            return
    raise AssertionError(f"no effect: {condition}")
