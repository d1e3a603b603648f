"""A process that reads hostile files one after another and tells of each what came of it: `python hostile_reader.py CASES SANDBOX`.

CASES is a JSON file of {name: [kind, path]}. One JSON line per case: the refusal (null: taken), the memory that it took beyond what was
there, the seconds of processor time, and everything that was written outside of the sandbox, connected to, started or unpickled.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from appcore import limits
from appcore.config import build
from appcore.datasets import images
from appcore.errors import InputError
from appcore.models.base import skeleton
from appcore.planning import plan
from appcore.runner.engine_port import Engine
from appcore.storage.store import Store
from appcore.transfer import bundle_set
from appcore.transfer.bundle_import import import_bundle
from appcore.ui.runs import files

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = ("pickle.find_class", "socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
_CHANGES = {"os.mkdir": 0, "os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.link": 1, "os.symlink": 1, "os.chmod": 0, "shutil.rmtree": 0}


class Watch:
    """Notes what Python is about to do that hostile input must not bring about."""

    def __init__(self, sandbox: Path):
        self.sandbox, self.seen, self.is_on = str(sandbox.resolve()), [], False
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.is_on:
            return
        if event in _FORBIDDEN:
            self.seen.append(f"{event} {arguments!r}"[:200])
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            self._check(event, arguments[0])
        elif event in _CHANGES:
            folder = arguments[-1] if isinstance(arguments[-1], int) else -1
            self._check(event, arguments[_CHANGES[event]], f"/proc/self/fd/{folder}" if folder >= 0 else "")

    def _check(self, event: str, path: Any, folder: str = "") -> None:
        if isinstance(path, int):
            return  # a file that is open already
        where = os.path.realpath(os.path.join(folder, os.fsdecode(path)))  # noqa: PTH118, a Path would lose what is odd about it
        if where != os.devnull and not where.startswith(self.sandbox):
            self.seen.append(f"{event} {where}")


def memory_now() -> int:
    """Bytes of this process; its peak begins anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def memory_peak() -> int:
    """The most bytes of this process since `memory_now`."""
    return _memory("VmHWM")


def _memory(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def read(kind: str, path: Path, store: Store) -> None:
    """Let the program take the file in as it would from a stranger."""
    if kind == "bundle":
        import_bundle(store, path)
    elif kind == "bundles":
        for _, part in bundle_set.parts(path, path.parent):
            import_bundle(store, part)
        import_bundle(store, path)
    elif kind == "images":
        config = build({"dataset": f"images:{path}", "arch": "mlp"})
        plan.check(config)
        images.load(config)
    elif kind == "settings":
        Engine().check(build(files.settings(path.read_bytes())))  # as the import and then Start do
    elif kind == "limits":
        os.environ["APPCORE_LIMITS"] = str(path)
        try:
            limits.load()
        finally:
            del os.environ["APPCORE_LIMITS"]


def main(cases: Path, sandbox: Path) -> None:
    store, watch = Store(sandbox / "store" / "appcore.db"), Watch(sandbox)
    store.runs()
    skeleton("torchvision:alexnet", (3, 64, 64), 10)  # torch and torchvision are there before anything is measured
    for name, (kind, path) in json.loads(cases.read_text()).items():
        said = None
        before, start = memory_now(), time.process_time()
        watch.is_on = True
        try:
            read(kind, Path(path), store)
        except InputError as error:
            said = error.message
        except ValueError as error:  # what the pages catch
            said = str(error)
        watch.is_on = False
        taken = {"seconds": time.process_time() - start, "bytes": memory_peak() - before}
        print(json.dumps({"name": name, "said": said, "outside": watch.seen, **taken}), flush=True)
        watch.seen = []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
