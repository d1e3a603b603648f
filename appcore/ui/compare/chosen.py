"""What the controls of the Compare page say, for all of its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from appcore import charts
from appcore.planning import stages

from ..widgets.run_picker import Runs


@dataclass(frozen=True)
class Chosen:
    """What the controls say: the runs in sight among all that were picked, the pair whose layers are compared, the view of all curves."""

    runs: Runs
    among: Runs
    pair: tuple[str, str]
    bands: bool
    view: charts.View

    @property
    def key(self) -> tuple[Any, ...]:
        """What figures of several runs depend on, beside their data."""
        return tuple(run["run_id"] for run in self.runs), tuple(run["run_id"] for run in self.among)

    @property
    def places(self) -> list[stages.Place]:
        """The megabatches, or the rounds where all runs have some, on which the runs of this page stand."""
        return stages.axis_of(self.among)

    @property
    def word(self) -> str:
        """What one of these is called."""
        return stages.named(self.places)[0]

    @property
    def revision(self) -> str:
        """Keeps a figure's zoom while runs are hidden and shown."""
        return ",".join(run["run_id"] for run in self.among)

    def now(self, runs: Runs) -> Chosen:
        """The same with the runs as they are now."""
        by_id = {run["run_id"]: run for run in runs}
        return replace(self, runs=[by_id[run["run_id"]] for run in self.runs], among=runs)
