"""Which tests stay together when pytest-xdist spreads them over workers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling


class Together(LoadScopeScheduling):
    """Tests that drive a browser stay in one worker: an app and Chromium take two cores by themselves. So do tests of a file with fixtures
    for the whole of it, which are costly to make; all others go one by one, in the order in which they are collected.

    It reads the files, since xdist 3.8 loses marks of the kind `xdist_group` with pytest 9.
    """

    def __init__(self, config: Any, log: Any):
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return _group(self.config.rootpath / nodeid.partition("::")[0]) or nodeid


@cache
def _group(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:  # a test from outside of this project
        return ""
    return "browser" if "mark.browser" in text else str(file) if 'scope="module"' in text else ""
