"""A zip of bundles, as the page Runs makes it for several runs: checked like any untrusted zip, then unpacked one by one."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from ..untrusted.refusals import shown
from ..untrusted.zip_file import opened, overlap, problem
from .bundle_import import BROKEN, MOST_BYTES

_MOST_PARTS = 200


def parts(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file, written into `folder`, of each bundle in a zip of bundles as the page Runs makes them.

    None when the file is anything else, which `import_bundle` will check. InputError for a zip that lies about itself.
    """
    with opened(path) as file:
        try:
            outer = zipfile.ZipFile(file)
            infos = outer.infolist()
        except BROKEN:
            return
        # The page stores bundles uncompressed, so their sizes are known before they are read.
        if not infos or not all(info.orig_filename.endswith(".zip") and info.compress_type == zipfile.ZIP_STORED for info in infos):
            return
        if len(infos) > _MOST_PARTS:
            raise InputError(f"it holds {len(infos):,} bundles; import at most {_MOST_PARTS} at one time", "file")
        for info in infos:
            found = problem(info, MOST_BYTES, nested=True)
            if found:
                raise InputError(f"entry {shown(info.orig_filename)} {found}", "file")
        if found := overlap(infos, outer.start_dir):
            raise InputError(found, "file")
        for info in infos:
            target = folder / "part.zip"
            try:
                with outer.open(info) as source, target.open("wb") as part:
                    shutil.copyfileobj(source, part, 2**20)
            except BROKEN as error:
                raise InputError(f"entry {shown(info.orig_filename)} cannot be read ({shown(error)})", "file") from error
            yield info.orig_filename, target
