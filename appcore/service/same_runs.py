"""The same question is run once: a run with the same settings and data, done or under way, answers everybody who asks it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import limits
from ..runner.engine_port import Work
from ..storage.store import Store

RANKS = {"done": 0, "running": 1, "paused": 2, "queued": 3, "failed": 4, "stopped": 5, "lost": 6}  # of several runs the lowest is taken


class SameRuns:
    """The runs that there are for some settings. Made for one start, and used in it twice: before its transaction and within."""

    def __init__(self, work: Work):
        self._work = work
        self._digests: dict[str, str | None] = {}  # of the data that the settings of a fingerprint mean now
        self._is_common = True
        self.reused: list[str] = []

    def look(self, store: Store, configs: Sequence[Any]) -> None:
        """Do what takes long: read the data of those settings that have been run, to compare them with what those runs began with."""
        self._is_common = limits.load(store.folder).same_runs != "off"
        found = store.same({config.fingerprint for config in configs})
        have_data = {row["fingerprint"] for row in found if "data" in (row["hashes"] or {})}
        for config in configs:
            if config.fingerprint in have_data:
                self._digests[config.fingerprint] = self._work.data_digest(config)

    def take(self, inside: Store, fingerprints: Sequence[str]) -> dict[str, str]:
        """{fingerprint: run id} of settings that have been run, or are; the user may read these from here on. `inside`: of Store.alone."""
        found: dict[str, dict[str, Any]] = {}
        for row in sorted(inside.same(fingerprints), key=lambda row: (not row["is_seen"], RANKS[row["status"]])):
            if row["fingerprint"] not in found and self._may_answer(row):
                found[row["fingerprint"]] = row
        inside.read_along(row["run_id"] for row in found.values() if not row["is_seen"])
        self.reused = [row["run_id"] for row in found.values()]
        return {fingerprint: row["run_id"] for fingerprint, row in found.items()}

    def _may_answer(self, row: Mapping[str, Any]) -> bool:
        """Whether a run began with the data that its settings mean now, and may be shown to this user."""
        if not row["is_seen"] and not (self._is_common and row["is_driven"]):
            return False
        then = (row["hashes"] or {}).get("data")
        return then is None or self._digests.get(row["fingerprint"]) in (None, then)
