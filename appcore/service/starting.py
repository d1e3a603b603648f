"""Starting runs: what could fail is looked for first, then all of them are created in one transaction, then queued.

Nothing is locked while settings are held against data, which may be a folder of many images.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import names
from ..errors import InputError
from ..runner import admission
from ..runner.engine_port import Work
from ..runner.launcher import Launcher, check
from ..storage.store import NewRun, Store
from . import access, uploads
from .labels import checked_title
from .same_runs import SameRuns

RETIRE_SECONDS = 3600.0  # how often a start looks for runs past the retention time


class Starting:
    """Starts runs for the users of one store."""

    def __init__(self, everybody: Store, work: Work, launchers: Mapping[str, Launcher]):
        self._everybody, self._work, self._launchers = everybody, work, launchers
        self._retired = -RETIRE_SECONDS

    def start(
        self,
        store: Store,
        configs: Sequence[dict[str, Any]],
        launcher: str,
        titles: Sequence[str] | None = None,
        group: str | None = None,
        ablation: tuple[str, Iterable[str]] | None = None,
        known: SameRuns | None = None,
    ) -> list[str]:
        """Create runs of the store's user and queue them. InputError before anything is written.

        They advance in lockstep, or with a `group` of their own each for itself. `ablation`: its id, and runs of the store which it takes
        besides; a run that it has already, by the fingerprint of its settings, is not created. `known`: finds the runs that there are
        already for these settings, and no others are created for them.
        """
        self.check_launcher(launcher)
        if not configs:
            raise InputError("there is nothing to start; choose at least one run", "")
        built = [self.rehearse(store, config).anchored() for config in configs]
        self._retire()
        name = group or (secrets.token_hex(4) if len(built) > 1 else "")
        usual = [names.of_run(config.method, config.pruner, config.arch, config.dataset) for config in built]
        titles = [checked_title(title) for title in titles or usual]
        pairs = zip(built, titles, strict=True)
        new = [NewRun(config, len(self._work.plan(config)), title, name, launcher) for config, title in pairs]
        room = admission.Room(store, store.owner)
        if known:
            known.look(store, built)
        with store.alone() as inside:
            if ablation:
                there = inside.ablations.fingerprints(ablation[0])
                new = [run for run in new if run.config.fingerprint not in there]
            wanted = [run.config.fingerprint for run in new]
            found = known.take(inside, wanted) if known else {}
            new = [run for run in new if run.config.fingerprint not in found]
            run_ids = inside.create_runs(new)
            if ablation:
                inside.ablations.add_runs(ablation[0], [*ablation[1], *found.values(), *run_ids])
            if run_ids:
                room.check(inside)
        self.launch(launcher, [[run_id] for run_id in run_ids] if group else [run_ids])
        created = iter(run_ids)
        return [found.get(fingerprint) or next(created) for fingerprint in wanted]

    def resume(self, store: Store, row: Mapping[str, Any], launcher: str, statuses: Sequence[str]) -> None:
        """Take a run that has ended, and queue it. InputError where it cannot start: it stays as it was."""
        self.check_launcher(launcher)
        self.rehearse(store, row["config"])
        columns = {"status": "queued", "command": None, "error": None, "traceback": None, "launcher": launcher}
        admission.take(store, self._work, row["run_id"], statuses, **columns)
        self.launch(launcher, [[row["run_id"]]])

    def rehearse(self, store: Store, config: dict[str, Any]) -> Any:
        """The settings as the engine takes them; InputError where they cannot run with this data on this machine, or may not."""
        built = self._work.config(config)
        self._work.check(built)
        admission.check_settings(store, self._work, built)
        return built

    def launch(self, launcher: str, jobs: list[list[str]]) -> None:
        """Queue runs of this process, each job advancing in lockstep; those that cannot be queued are stopped."""
        try:
            self._launchers[launcher].start(*filter(None, jobs))
        except InputError:
            run_ids = [run_id for job in jobs for run_id in job]
            self._everybody.update_all(run_ids, ("queued",), is_held=True, status="stopped")
            raise

    def check_launcher(self, launcher: str) -> None:
        """InputError for a launcher that there is not, or that cannot be used."""
        if launcher not in self._launchers:
            raise InputError(f"launcher: unknown name {launcher!r}; choose one of {', '.join(self._launchers)}", "launcher")
        check(self._everybody, launcher)

    def _retire(self) -> None:
        if time.monotonic() - self._retired > RETIRE_SECONDS:
            self._retired = time.monotonic()
            access.retire(self._everybody)
            uploads.tidy(self._everybody)
            self._everybody.classes.forget_old()
