"""Made-up and damaged input by the hundred thousand: `python benchmarks/fuzz.py --cases 100000`. Only InputError in one line may come.

Five readers: settings, limits, bundles of runs, zips of images, images. A bundle that is taken in must be the run that its own record
says; settings that are taken must come back the same from their own dump. The first crash is shown with the smallest input that
hypothesis finds for it, and ends with exit code 1.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from appcore import limits, plugins
from appcore.config import RunConfig, build
from appcore.datasets import images
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.runner import driver
from appcore.storage.store import Store
from appcore.transfer.bundle_export import export
from appcore.transfer.bundle_import import import_bundle

SHARES = {"settings": 0.4, "limits": 0.1, "bundle": 0.2, "zip": 0.15, "image": 0.15}
SMALL = {"arch": "mlp", "megabatches": 2, "epochs": 1, "limit_train": 60, "limit_test": 20, "device": "cpu"}
MOST_MIB = 256  # one case may take, beyond what was there
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")

_odd = st.sampled_from(["", "../../etc/passwd", "\0", "\ud800", "\u202e", "1e999", "nan", "a" * 5000, "images:/dev/zero", "{}", "-0", "'"])
_plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | _odd | st.just(10**400)
_json = st.recursive(
    _plain, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=6) | _odd, part, max_size=3), max_leaves=6
)
_damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)
_found: Counter[str] = Counter()
_most: Counter[str] = Counter()  # MiB of one case


def memory_now() -> int:
    """Bytes of this process; its peak is reset. 0 where the system does not report it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def memory_peak() -> int:
    """The most bytes of this process since `memory_now`."""
    return _memory("VmHWM")


def _memory(name: str) -> int:
    with suppress(OSError), Path("/proc/self/status").open() as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))
    return 0


def answered(reader: str, read: Callable[[], Any]) -> Any:
    """What the reader gives, or None where it refuses; anything but one printable line is a crash."""
    before = memory_now()
    try:
        value = read()
    except InputError as error:
        assert error.message and len(error.message) < 20_000, "a refusal is a short line"
        assert "\n" not in error.message or reader == "settings", error.message
        _found[f"{reader} refused"] += 1
        return None
    finally:
        taken = (memory_peak() - before) // 2**20
        _most[reader] = max(_most[reader], taken)
        assert taken < MOST_MIB, f"{taken} MiB for one case"
    _found[f"{reader} taken"] += 1
    return value


# ---- settings and limits


def _near(name: str) -> st.SearchStrategy:
    """Values that may be right for a setting, so that many cases go past the first check."""
    kinds = {"arch": "models", "dataset": "datasets", "method": "methods", "pruner": "pruners", "schedule": "schedules"}
    if name in kinds:
        return st.sampled_from([*plugins.choices(kinds[name]), "../pruners/snip", "base", "__init__"])
    return st.integers(-2, 100) | st.floats(-1, 2) | st.sampled_from(["full", "none", "auto", "paper", "cpu", "global"]) | st.booleans()


_settings = st.dictionaries(st.sampled_from([*RunConfig.model_fields, "sparsity", "", "__class__"]), st.just(None), max_size=5).flatmap(
    lambda names: st.fixed_dictionaries({name: _near(name) | _json for name in names})
)
_limits = st.dictionaries(
    st.sampled_from([*limits.Limits.model_fields, "que"]), st.integers(-5, 5) | st.lists(st.text(max_size=5)) | _json, max_size=4
)


def read_settings(values: dict[str, Any]) -> None:
    config = answered("settings", lambda: build(values))
    if config is not None:
        assert build(config.model_dump(mode="json")) == config
        if config.megabatches * config.epochs <= 200:
            answered("plan", lambda: plan(config))


def read_limits(values: dict[str, Any]) -> None:
    found = answered("limits", lambda: limits.parse(values))
    if found is not None:
        answered("limits", lambda: found.check_queue(1, 1))


# ---- bundles


class Bundles:
    """One real bundle, and what may become of it."""

    def __init__(self, folder: Path):
        source = Store(folder / "source" / "appcore.db")
        config = build(SMALL)
        run_id = source.create_run(config, plan_length=len(plan(config)))
        assert driver.drive(source, run_id) == "done"
        self.whole = Path(export(source, run_id, folder / "exported")[-1]).read_bytes()
        with zipfile.ZipFile(io.BytesIO(self.whole)) as file:
            self.members = {name: file.read(name) for name in file.namelist()}
        self.store, self.path = Store(folder / "target" / "appcore.db"), folder / "bundle.zip"
        self.run_id = run_id
        self.texts = [name for name in self.members if name.endswith((".json", ".jsonl"))]

    def read(self, data: bytes) -> None:
        self.path.write_bytes(data)
        run_id = answered("bundle", lambda: import_bundle(self.store, self.path))
        if run_id is not None:
            assert run_id == self.store.get(run_id)["run_id"]
            self.store.delete(run_id)
        assert not [path for path in self.store.folder.glob("*") if path.is_dir()], "files without a run"

    def changed(self, member: str, place: list[float], value: Any, relist: bool) -> bytes:
        """The bundle with one value of one of its texts replaced; `relist`: with a manifest that fits."""
        content = dict(self.members)
        lines = content[member].split(b"\n") if member.endswith("l") else [content[member]]
        line = int(place[0] * len([each for each in lines if each]))
        lines[line] = json.dumps(_replaced(json.loads(lines[line]), place[1:], value)).encode("utf-8", "replace")
        content[member] = b"\n".join(lines)
        if relist and member != "manifest.json":
            manifest = json.loads(content["manifest.json"])
            manifest["members"][member] = {"size": len(content[member]), "sha256": hashlib.sha256(content[member]).hexdigest()}
            content["manifest.json"] = json.dumps(manifest).encode()
        return zipped(content)


def _replaced(tree: Any, place: list[float], value: Any) -> Any:
    """`tree` with the value at a place, given as fractions of each level, replaced."""
    if not place or not tree or not isinstance(tree, (dict, list)):
        return value
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[int(place[0] * len(keys))]
    tree[key] = _replaced(tree[key], place[1:], value)
    return tree


def zipped(content: dict[str, bytes], **entry: Any) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in content.items():
            file.writestr(zipfile.ZipInfo(name), data)
        for key, value in entry.items():
            setattr(file.filelist[0], key, value)
    return target.getvalue()


def damaged(data: bytes, where: list[tuple[float, int]], cut: float) -> bytes:
    found = bytearray(data[: max(1, int(cut * len(data)))])
    for place, value in where:
        # The list of contents lies at the end: most damage there is more telling than in the bulk of the weights.
        found[int(len(found) * (1 - place**3)) - 1] = value
    return bytes(found)


# ---- images


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=numpy.uint8)).save(stream, kind)
    return stream.getvalue()


PICTURES = {kind: picture(kind) for kind in FORMATS}
FILES = {
    f"{split}/{name}/{kind}.{kind.lower()}": PICTURES[kind]
    for split in ("train", "test")
    for name in ("cat", "dog")
    for kind in FORMATS[:2]
}


ZIP = zipped(FILES)


def _with_entries(extra: dict[str, bytes], entry: dict[str, int]) -> bytes:
    return zipped({**FILES, **extra}, **entry)


def read_images(path: Path, data: bytes, reader: str) -> None:
    path.write_bytes(data)
    answered(reader, lambda: images.load(build({"dataset": f"images:{path}", "arch": "mlp"})))


# ---- the whole


def targets(folder: Path) -> dict[str, Callable[[], Any]]:
    """A test without arguments for each reader."""
    bundles, place = Bundles(folder), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5)
    cut = st.just(1.0) | st.just(1.0) | st.floats(0, 1)
    names = st.text(max_size=30) | _odd | st.sampled_from(["train/cat/x.png", "train/../x.png", "/x", "train\\x", "x.zip"])
    names = names.filter(lambda name: name.isprintable() and len(name.encode("utf-8", "replace")) < 60_000)
    fields = ("file_size", "compress_size", "external_attr", "header_offset")
    entry = st.fixed_dictionaries({}, optional={key: st.integers(0, 2**31) for key in fields})

    def of(*recipes: tuple) -> Any:
        """Cases of (function, arguments): the data are made when they are read, for hypothesis remembers its cases."""
        return given(st.one_of(*(st.tuples(st.just(make), *arguments) for make, *arguments in recipes)))

    def picture_in_zip(kind: str, where: list, cut: float) -> bytes:
        return zipped({**FILES, f"train/cat/x.{kind.lower()}": damaged(PICTURES[kind], where, cut)})

    return {
        "settings": given(_settings | _json.filter(lambda value: isinstance(value, dict)))(read_settings),
        "limits": given(_limits)(read_limits),
        "bundle": of(
            (bundles.changed, st.sampled_from(bundles.texts), place.map(lambda p: [*p, 0.0]), _json, st.booleans()),
            (lambda *damage: damaged(bundles.whole, *damage), _damage, cut),
        )(lambda case: bundles.read(case[0](*case[1:]))),
        "zip": of(
            (lambda *damage: damaged(ZIP, *damage), _damage, cut),
            (_with_entries, st.dictionaries(names, st.binary(max_size=40), max_size=2), entry),
        )(lambda case: read_images(folder / "images.zip", case[0](*case[1:]), "zip")),
        "image": of((picture_in_zip, st.sampled_from(FORMATS), _damage, cut))(
            lambda case: read_images(folder / "images.zip", case[0](*case[1:]), "image")
        ),
    }


def main(cases: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        tests = targets(Path(name))
        for reader, share in SHARES.items():
            start, most = time.monotonic(), max(1, round(cases * share))
            options = {"max_examples": most, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
            settings(**options)(tests[reader])()
            print(
                f"{reader}: {most:,} cases in {time.monotonic() - start:.0f} s; {_memory('VmRSS') // 2**20:,} MiB",
                file=sys.stderr,
                flush=True,
            )
    print(json.dumps({"cases": cases, "crashes": 0, "most_mib_of_one_case": dict(_most), **dict(sorted(_found.items()))}))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000, help="cases, all readers together")
    sys.exit(main(parser.parse_args().cases))
