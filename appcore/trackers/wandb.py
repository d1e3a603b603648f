"""Weights & Biases: offline, in files that `wandb sync` sends later, unless WANDB_MODE says online."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class WeightsAndBiases:
    """A run of the project "pruning-lab". One that goes on has a folder more and the same id."""

    def __init__(self, folder: Path, run_id: str, settings: Mapping[str, Any]):
        import wandb

        mode: Any = os.environ.get("WANDB_MODE", "offline")  # wandb itself judges the word
        folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True, disable_git=True, disable_code=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "pruning-lab"),
            id=run_id,
            name=run_id,
            dir=str(folder),
            config=dict(settings),
            mode=mode,
            resume="allow",
            reinit="create_new",
            settings=quiet,
        )

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """A row of the run's history; numbers of one step join."""
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def opened(folder: Path, run_id: str, settings: Mapping[str, Any], first: int) -> WeightsAndBiases:
    """The run in `folder`/wandb/offline-run-...-RUN."""
    return WeightsAndBiases(folder, run_id, settings)
