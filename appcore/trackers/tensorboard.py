"""TensorBoard: event files, a folder for each run. `tensorboard --logdir FOLDER` shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class TensorBoard:
    """A run's event file. Steps after `first` that an earlier process wrote are purged when the files are read."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], first: int):
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first + 1)
        if not first:
            self._writer.add_text("settings", f"```json\n{json.dumps(settings, indent=1, default=str)}\n```", 0)

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """A point on the curve of each number."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def opened(folder: Path, run_id: str, settings: Mapping[str, Any], first: int) -> TensorBoard:
    """The event file of a run in `folder`/RUN."""
    return TensorBoard(folder / run_id, settings, first)
