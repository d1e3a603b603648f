"""One team of OpenMP threads per process: whatever else computes with torch, the thread that trains has the only one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FEATURES = (
    *("many images", "estimate", "what if", "accuracy of a cut", "sensitivity", "twelve images", "export", "reality check", "rehearsal"),
    *("prune", "shrink"),
)
# A process trains with two threads, then uses each feature from a thread that lives on, as the app's threads do. Native threads that Python
# does not know are counted: libgomp's, and some of numpy and others that are there from the first.
SCRIPT = """
import json, os, sys, threading, time
from pathlib import Path

def native():
    known = {thread.native_id for thread in threading.enumerate()}
    return len([task for task in os.listdir("/proc/self/task") if int(task) not in known])

stay = threading.Event()
def in_thread(function):
    done, errors = threading.Event(), []
    def work():
        try:
            function()
        except BaseException as error:
            errors.append(repr(error))
        done.set()
        stay.wait()
    threading.Thread(target=work, daemon=True).start()
    done.wait()
    if errors:
        raise SystemExit(errors[0])

from appcore.service.manager import Manager
from appcore.storage.store import Store
settings = {"arch": "resnet20", "dataset": "images:" + sys.argv[1], "megabatches": 2, "epochs": 1, "batch_size": 16, "limit_test": 20}
settings |= {"image_size": 32, "device": "cpu", "limit_train": 40}
manager = Manager(Store(Path(sys.argv[2])))
run_id, = manager.start([settings])
assert manager.wait(run_id, 300) == "done", manager.get(run_id)["error"]

import torch
def ready(ask, *question):
    while (answer := ask(*question))["state"] in ("waiting", "scoring"):
        time.sleep(0.05)
    assert answer["state"] == "ready", answer
def export(what):
    manager.exports.start(run_id, what)
    while (job := manager.exports.state(run_id)["jobs"][what])["status"] in ("queued", "working"):
        time.sleep(0.05)
    assert job["status"] == "done", job
def rehearsal():
    from appcore.cli.main import _rehearse
    from appcore.config import build
    from appcore.planning.plan import check
    config = build(settings)
    _rehearse(config, check(config))
import appcore
smaller = {}
def prune():
    network, images = appcore.load(run_id, store=sys.argv[2]), torch.rand(64, 3, 32, 32)
    appcore.prune(network, [(images, torch.zeros(64, dtype=torch.long))], pruner="snip", density=0.5, granularity="filter")
    smaller.update(network=network, images=images)
features = {
    "many images": lambda: torch.randperm(50_000),
    "estimate": lambda: manager.estimate({**settings, "arch": "resnet32"}),
    "what if": lambda: ready(manager.scores, None, run_id, "snip"),
    "accuracy of a cut": lambda: ready(manager.cut_accuracy, None, run_id, "snip", 0.1, "global", ()),
    "sensitivity": lambda: ready(manager.sensitivity, None, run_id, "snip"),
    "twelve images": lambda: ready(manager.look, run_id),
    "export": lambda: [export(what) for what in ("dense", "prune", "masks")],
    "reality check": lambda: export("reality"),
    "rehearsal": rehearsal,
    "prune": prune,
    "shrink": lambda: appcore.shrink(smaller["network"], smaller["images"]),
}
found = {"team": native()}
for name, feature in features.items():
    before = native()
    in_thread(feature)
    found[name] = native() - before
in_thread(lambda: (torch.set_num_threads(2), torch.ones(1000, 1000).mm(torch.ones(1000, 1000)), torch.rand(10**6).sort()))
found["control"] = native() - before
print(json.dumps(found))
os._exit(0)
"""


def environment(folder: Path) -> dict[str, str]:
    """Two threads even where there is one core."""
    root = str(Path(__file__).resolve().parents[2])
    threads = {"APPCORE_THREADS": "2", "OMP_NUM_THREADS": "2"}
    return {**os.environ, **threads, "APPCORE_SLOTS": str(folder / "slots"), "PYTHONPATH": root}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty images of noise, 32 x 32."""
    folder, draw = tmp_path_factory.mktemp("teams") / "images", np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 10)):
        for label in "ab":
            (folder / split / label).mkdir(parents=True)
            for index in range(count):
                Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / split / label / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def teams(images: Path) -> dict[str, int]:
    """Native threads that each feature left behind."""
    (images.parent / "teams.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(images.parent / "teams.py"), str(images), str(images.parent / "runs.db")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(images.parent), timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in /proc")
def test_a_command_line_rehearses_with_one_thread(images: Path) -> None:
    """Its main thread is the first to compute in the process, before anything has trained."""
    code = (
        "import os, sys, threading, torch, numpy\n"
        "from appcore.cli.main import _rehearse\n"
        "from appcore.config import build\n"
        "from appcore.planning.plan import check\n"
        "native = lambda: len(os.listdir('/proc/self/task')) - threading.active_count()\n"
        "before = native()\n"
        "config = build({'arch': 'resnet20', 'dataset': 'images:' + sys.argv[1], 'image_size': 32, 'limit_train': 40})\n"
        "_rehearse(config, check(config))\n"
        "torch.randperm(50_000)\n"
        "print(native() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(images)], env=environment(images.parent), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) <= 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in /proc")
@pytest.mark.parametrize("feature", FEATURES)
def test_no_feature_begins_a_second_team(teams: dict[str, int], feature: str) -> None:
    assert teams["control"] >= 1, "a thread that does compute with two threads was not seen"
    assert teams[feature] <= 0


@pytest.mark.thorough
def test_threads_are_set_for_the_calling_thread_alone() -> None:
    code = (
        "import threading, torch\n"
        "from appcore.engine.threads import use_threads\n"
        "use_threads(3)\n"
        "seen = []\n"
        "other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))\n"
        "other.start(); other.join()\n"
        "print(torch.get_num_threads(), *seen)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["3", "1"]


def test_small_steps_and_other_devices_take_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.engine import threads

    monkeypatch.setattr(threads, "ALL_THREADS", 8)
    assert [threads.threads_for(flops, device) for flops, device in ((1e9, "cpu"), (3e9, "cpu"), (3e9, "cuda"))] == [1, 8, 1]
