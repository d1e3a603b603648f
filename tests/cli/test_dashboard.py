"""`dashboard` becomes the app: which program, with which options, and that it answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import browser
import pytest

from appcore import installation
from appcore.cli import dashboard
from appcore.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The program that a command becomes, instead of becoming it."""
    found: list[list[str]] = []
    monkeypatch.setattr(dashboard.os, "execv", lambda program, words: found.append([program, *words[1:]]))

    def call(*words: str) -> list[str]:
        main(["dashboard", *words])
        return found.pop()

    return call


def test_it_is_streamlit_with_the_entry_of_this_checkout(became: Callable[..., list[str]]) -> None:
    assert became() == [sys.executable, "-P", "-m", "streamlit", "run", str(ROOT / "app.py")]
    assert installation.APP == ROOT


def test_flags_reach_it(became: Callable[..., list[str]]) -> None:
    words = became("--port", "8765", "--address", "::1", "--no-browser")
    assert words[6:] == ["--server.port=8765", "--server.address=::1", "--server.headless=true"]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "٣٣", "1" * 5000, ""])
def test_a_port_that_is_none_is_one_line(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "--port", port]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("address", ["", "a b", "http://x", "-x", "a\nb", "\udcff", "a" * 5000])
def test_an_address_that_is_none_is_one_line(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", f"--address={address}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.thorough
def test_the_app_answers(tmp_path: Path) -> None:
    port = browser.free_port()
    words = [sys.executable, "-m", "appcore", "dashboard", "--port", str(port), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "APPCORE_STORE": str(tmp_path / "runs.db")}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        browser._wait(f"http://127.0.0.1:{port}/_stcore/health", process)
    finally:
        process.terminate()
        process.wait(20)
