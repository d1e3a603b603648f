"""Hostile input: more than 130 files, each read by a process that is watched. One line of refusal, little memory, nothing outside.

`python -m pytest tests/untrusted/test_hostile.py -q -rP -k summary` prints how many there were and what the worst of them took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_images
import pytest
from hostile_bundles import HOSTILE, add, members, packed
from hostile_images import IMAGES, ZIPS, two_classes, zip_of

from appcore.runner import driver
from appcore.storage.store import Store
from appcore.transfer.bundle_export import export

HELPERS = Path(__file__).parents[1] / "helpers"
MOST_BYTES = 256 * 2**20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory by /proc")

SETTINGS: dict[str, bytes] = {
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "long": b" " * (6 * 2**20),
    "huge number": b'{"epochs": 1' + b"0" * 5000 + b"}",
    "infinite": b'{"tau": Infinity}',
    "no number": b'{"lr": NaN}',
    "list": b"[1, 2]",
    "text": b'"hello"',
    "no text": b"\xff\xfe\x00",
    "pickle": b"\x80\x04\x95cos\nsystem\n",
    "unknown": b'{"sparsity": 1}',
    "path for a network": b'{"arch": "../../../etc/passwd"}',
    "module for a network": b'{"arch": "os"}',
    "base class": b'{"arch": "base"}',
    "code": b"{\"pruner\": \"__import__('os').system('id')\"}",
    "torchvision private": b'{"arch": "torchvision:_utils"}',
    "torchvision path": b'{"arch": "torchvision:../os"}',
    "config within config": b'{"config": {"config": {}}}',
    "wrong kinds": b'{"epochs": [1], "seed": {"a": 1}, "device": null}',
    "negative": b'{"epochs": -1}',
    "markup": b'{"method": "<script>alert(1)</script>"}',
    "line break": b'{"method": "a\\nb"}',
    "half a character": b'{"method": "\\ud800"}',
}
LIMITS: dict[str, bytes] = {
    "unknown": b"quota = 1",
    "deep": b"queue = " + b"[" * 10_000,
    "wrong kind": b"queue = 'all'",
    "negative": b"queue = -1",
    "huge": b"queue = 1" + b"0" * 5000,
    "markup": b"'<b>' = 1",
}


def one(name: str, data: bytes = b"x", **entry: Any) -> Callable[[zipfile.ZipFile], None]:
    def change(file: zipfile.ZipFile) -> None:
        file.writestr(zipfile.ZipInfo(name), data)
        for key, value in entry.items():
            setattr(file.filelist[-1], key, value)

    return change


def many(file: zipfile.ZipFile) -> None:
    for number in range(201):
        file.writestr(f"{number}.zip", b"")


def same_bytes(file: zipfile.ZipFile) -> None:
    for number in range(50):
        file.writestr(f"{number}.zip", b"x" * 1000)
    for info in file.filelist:
        info.header_offset = file.filelist[0].header_offset


OUTER: dict[str, Callable[[zipfile.ZipFile], None]] = {
    "parent": one("../a.zip"),
    "absolute": one("/tmp/a.zip"),
    "drive": one("C:/a.zip"),
    "backslash": one("..\\a.zip"),
    "control": one("a\n.zip"),
    "link": one("a.zip", external_attr=0o120777 << 16),
    "encrypted": one("a.zip", flag_bits=1),
    "understated": one("a.zip", b"x" * 1000, file_size=10),
    "overstated": one("a.zip", b"x" * 1000, file_size=900 * 2**20),
    "beyond the end": one("a.zip", compress_size=2**30, file_size=2**30),
    "too many": many,
    "overlap": same_bytes,
    "no bundle inside": one("a.zip", b"hello"),
    "zip of a zip": one("a.zip", b"PK\5\6" + bytes(18)),
}
HARMS = ("linked_out", "linked_class", "linked_nowhere", "linked_circle", "piped", "large")
FOLDERS = {name: getattr(hostile_images, name) for name in HARMS}
NAMES = [
    *(f"bundle: {name}" for name in HOSTILE),
    *(f"zip: {name}" for name in ZIPS),
    *(f"image: {name}" for name in IMAGES),
    *(f"folder: {name}" for name in FOLDERS),
    *(f"zip of bundles: {name}" for name in OUTER),
    *(f"settings: {name}" for name in SETTINGS),
    *(f"limits: {name}" for name in LIMITS),
]


def _files(folder: Path, bundle: Path) -> dict[str, tuple[str, Path]]:
    """{name: (kind, path)} of every case, written into `folder`."""
    found: dict[str, tuple[str, Path]] = {}
    for number, name in enumerate(NAMES):
        kind, _, case = name.partition(": ")
        path = folder / str(number)
        if kind == "bundle":
            content = members(bundle)
            HOSTILE[case][0](content)
            found[name] = "bundle", packed(path, content)
        elif kind == "zip":
            found[name] = "images", ZIPS[case][0](path)
        elif kind == "image":
            found[name] = "images", zip_of(path, two_classes() | {"train/dog/broken.png": IMAGES[case]})
        elif kind == "folder":
            FOLDERS[case](hostile_images.folder_of(path, two_classes()))
            found[name] = "images", path
        elif kind == "zip of bundles":
            found[name] = "bundles", zip_of(path, {}, OUTER[case])
        else:
            path.write_bytes({"settings": SETTINGS, "limits": LIMITS}[kind][case])
            found[name] = kind, path
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the watched process told of each case."""
    sandbox = tmp_path_factory.mktemp("hostile")
    source = Store(sandbox / "source" / "appcore.db")
    run_id = add(source)
    assert driver.drive(source, run_id) == "done"
    bundle = Path(export(source, run_id, sandbox / "exported")[-1])
    (sandbox / "in").mkdir()
    cases = {name: (kind, str(path)) for name, (kind, path) in _files(sandbox / "in", bundle).items()}
    (sandbox / "cases.json").write_text(json.dumps(cases))
    command = [sys.executable, str(HELPERS / "hostile_reader.py"), str(sandbox / "cases.json"), str(sandbox)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    left = {path.name for path in (sandbox / "store").iterdir()}
    assert left == {"appcore.db"}, "files of a refused run"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_refused_in_one_line_with_little_memory_and_nothing_outside(name: str, told: dict[str, dict[str, Any]]) -> None:
    case = told[name]
    assert case["said"], "it was taken"
    assert "\n" not in case["said"] and len(case["said"]) < 5000
    assert case["outside"] == []
    assert case["bytes"] < MOST_BYTES


@pytest.mark.thorough
def test_summary(told: dict[str, dict[str, Any]]) -> None:
    assert len(told) == len(NAMES) == len(set(NAMES)) >= 60
    slowest, largest = max(told.values(), key=lambda case: case["seconds"]), max(told.values(), key=lambda case: case["bytes"])
    print(f"{len(told)} inputs; most processor time {slowest['seconds']:.2f} s ({slowest['name']}); ", end="")
    print(f"most memory {largest['bytes'] / 2**20:.0f} MiB ({largest['name']})")


@pytest.mark.thorough
def test_the_watch_sees_what_it_is_for(tmp_path: Path) -> None:
    code = f"""
import sys, os, pickle, json
sys.path.insert(0, {str(HELPERS)!r})
from pathlib import Path
from hostile_reader import Watch, memory_now, memory_peak
watch = Watch(Path({str(tmp_path / "in")!r}))
watch.is_on = True
(Path({str(tmp_path)!r}) / "out.txt").write_text("x")
Path({str(tmp_path / "in")!r}).mkdir()
(Path({str(tmp_path / "in")!r}) / "fine.txt").write_text("x")
os.mkdir({str(tmp_path / "folder")!r})
pickle.loads(b"cos\\nsystem\\n.")
watch.is_on = False
before = memory_now()
(bytes(range(256)) * (300 * 2**12))[-1]
print(json.dumps([*(line.split()[0] for line in watch.seen), (memory_peak() - before) // 2**20 >= 290]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["open", "os.mkdir", "pickle.find_class", True]
