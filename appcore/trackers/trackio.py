"""trackio: a run of the project "pruning-lab", in a database of its own; where TRACKIO_SPACE_ID or TRACKIO_SERVER_URL is set, trackio sends
it there. `TRACKIO_DIR=FOLDER trackio show --project pruning-lab` shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import Context
from pathlib import Path
from typing import Any

PROJECT = "pruning-lab"
_FOLDER = "TRACKIO_DIR"


class Trackio:
    """A run of trackio. One that goes on goes on there too; what was told of later steps before a kill stands twice."""

    def __init__(self, folder: Path, run_id: str, settings: Mapping[str, Any]):
        trackio = _package(folder)
        # In a context of its own, or it would end the run that this thread began before.
        self._run = Context().run(
            trackio.init,
            PROJECT,
            name=run_id,
            config=dict(settings),
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """A row of the run's history."""
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def opened(folder: Path, run_id: str, settings: Mapping[str, Any], first: int) -> Trackio:
    """The run in `folder`/pruning-lab.db, unless TRACKIO_DIR names another folder."""
    return Trackio(folder, run_id, settings)


def _package(folder: Path) -> Any:
    """The package, quiet. It reads from the environment, once, where it keeps all runs of a process; RuntimeError for another folder."""
    chosen = os.environ.get(_FOLDER)
    try:
        os.environ[_FOLDER] = chosen or str(folder)
        import trackio
        from trackio import run, utils
    finally:
        if not chosen:
            os.environ.pop(_FOLDER, None)
    if not chosen and Path(utils.TRACKIO_DIR) != folder:
        raise RuntimeError(f"this process keeps its runs in {utils.TRACKIO_DIR}; start another one for {folder}")
    for module in (trackio, run, utils):
        module.print = _nothing  # on the standard output, where --json answers
    run.Run._get_username = _nothing  # else it asks the Hub for the name of whoever has signed in there
    return trackio


def _nothing(*_: Any, **__: Any) -> None:
    """In place of what nobody has asked for."""
