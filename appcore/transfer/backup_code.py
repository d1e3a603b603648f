"""The Python files of networks in a backup, `code/DIGEST.py`. A restore puts them where they can be read, never where they would be run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import files, paths
from ..models import own_code
from ..storage.store import Store

FILE = re.compile(r"code/([0-9a-f]{32})\.py")
MOST_BYTES = own_code.MOST_BYTES


def kept(store: Store, runs: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that these runs, or ablations of anybody, are to be built with, allowed here or restored before."""
    archs = [str(run["config"].get("arch", "")) for run in runs]
    for ablation in store.of("", sees_all=True).ablations.all():
        archs += [str(arch) for arch in (ablation["base"].get("arch", ""), *ablation["axes"].get("arch", []))]
    for digest in sorted({own_code.parse(arch).digest for arch in archs if own_code.can_be_named(arch)} - {""}):
        for path in (paths.allowed_code(store.folder, digest), paths.restored_code(store.folder, digest)):
            with suppress(FileNotFoundError):
                yield f"code/{digest}.py", files.read(path)
                break


def put_back(folder: Path, unpacked: Path) -> int:
    """Keep the files of an unpacked backup beside the store in `folder`, to be read; how many there are that may not be run yet."""
    count = 0
    for path in files.listed(unpacked / "code"):
        target = paths.restored_code(folder, path.stem)
        if not paths.allowed_code(folder, path.stem).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            files.write(target, path.read_bytes())
            count += 1
    return count
