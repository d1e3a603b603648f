"""Slots: who trains on this machine, over all processes of a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appcore.runner import hardware, slots
from appcore.runner.slots import Slot

HOLDER = (
    "import sys, time; from appcore.runner.slots import Slot; "
    "print(Slot('cpu').take(int(sys.argv[1]), 'run a'), flush=True); time.sleep(60)"
)


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 4)
    monkeypatch.setattr(hardware, "memory", lambda: 10_000)
    monkeypatch.setattr(hardware, "gpus", lambda: ())
    monkeypatch.delenv("APPCORE_SHARE", raising=False)


def hold(need: int) -> subprocess.Popen:
    """Another process that has taken slots."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(need)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "True\n"
    return holder


def test_programs_train_beside_each_other_while_there_are_cores() -> None:
    one, two, three = Slot("cpu"), Slot("cpu"), Slot("cpu")
    assert [slot.take(need, "run") for slot, need in ((one, 1), (two, 3), (three, 1))] == [True, True, False]
    two.release()
    assert three.take(1, "run")


def test_the_line_is_kept_in_order_and_says_for_whom() -> None:
    first, large, small = Slot("cpu"), Slot("cpu"), Slot("cpu")
    assert first.take(2, "run first")
    assert not large.take(4, "run large") and large.waits_for == f"run first (process {os.getpid()})"
    assert not small.take(1, "run small"), "a small run that passes would let the large one wait for ever"
    assert "run large" in small.waits_for
    first.release()
    assert not small.take(1, "run small") and large.take(4, "run large") and large.waits_for == ""
    large.release()
    assert small.take(1, "run small")


def test_one_that_needs_more_than_there_is_begins_when_it_is_alone() -> None:
    slot = Slot("cpu")
    assert slot.take(64, "run")


def test_devices_have_lines_of_their_own() -> None:
    core, gpu, second = Slot("cpu"), Slot("cuda"), Slot("cuda")
    assert core.take(4, "run") and gpu.take(1, "run") and not second.take(1, "run")
    gpu.release()
    assert second.take(1, "run")


def test_a_holder_that_dies_lets_go() -> None:
    holder, slot = hold(4), Slot("cpu")
    try:
        assert not slot.take(1, "run b") and f"process {holder.pid}" in slot.waits_for
        holder.kill()
        holder.wait()
        assert slot.take(1, "run b")
    finally:
        holder.kill()
        holder.wait()


def test_sharing_trains_at_once_and_is_seen_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    first, sharing, third = Slot("cpu"), Slot("cpu"), Slot("cpu")
    assert first.take(4, "run a")
    monkeypatch.setenv("APPCORE_SHARE", "1")
    assert sharing.take(4, "run b")
    monkeypatch.delenv("APPCORE_SHARE")
    first.release()
    assert not third.take(1, "run c") and "run b" in third.waits_for


def test_a_resumed_run_goes_on_whoever_trains() -> None:
    first, resumed = Slot("cpu"), Slot("cpu")
    assert first.take(4, "run a") and resumed.take(2, "run b", at_once=True)


def test_without_a_usable_folder_everybody_may_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("APPCORE_SLOTS", str(blocked))
    assert Slot("cpu").take(4, "run") and Slot("cpu").take(4, "run")


def test_a_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots.os, "getuid", lambda: 12345)
    monkeypatch.setenv("APPCORE_SLOTS", str(tmp_path))
    assert Slot("cpu").take(4, "run") and not list(tmp_path.iterdir())


def test_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("APPCORE_SLOTS", str(tmp_path / "link"))
    assert Slot("cpu").take(4, "run") and not list((tmp_path / "real").iterdir())


def test_garbage_in_the_folder_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPCORE_SLOTS", str(tmp_path))
    (tmp_path / "00000-1-0.slot").write_text("{")
    assert Slot("cpu").take(4, "run")


@pytest.mark.slow
def test_two_command_lines_wait_for_each_other(tmp_path: Path) -> None:
    short = ["--arch", "mlp", "--megabatches", "2", "--epochs", "1", "--limit-train", "200", "--limit-test", "50", "--device", "cpu"]
    holder = subprocess.Popen([sys.executable, "-c", HOLDER.replace("int(sys.argv[1])", "10_000")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "True\n"
    try:
        command = [sys.executable, "-m", "appcore", "run", *short]
        waiting = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert waiting.stderr is not None
        said = [waiting.stderr.readline() for _ in range(2)]
        assert f"waiting for run a (process {holder.pid}); to train at once, beside it: --share" in said[1]
        sharing = subprocess.run([*command, "--share"], capture_output=True, text=True, timeout=120)
        assert sharing.returncode == 0 and "waiting" not in sharing.stderr
        assert waiting.poll() is None
    finally:
        holder.kill()
        holder.wait()
    assert waiting.wait(timeout=60) == 0
    waiting.stderr.close()
