"""A run's progress, speed and expected end, from its steps and the clock."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

WINDOW_SECONDS = 30.0  # speed is that of the last half minute: evaluations even out, a change of speed shows soon


class Pace:
    """Turns Progress events into the plain numbers that the store keeps."""

    def __init__(self, samples_total: int):
        self._total = samples_total
        self._step: Any = None
        self._loss: float | None = None
        self._speed: float | None = None
        self._marks: deque[tuple[float, int]] = deque()

    @property
    def is_known(self) -> bool:
        return self._step is not None

    def take(self, step: Any) -> None:
        """Record a Progress event. Cheap, because it is called at every step."""
        self._step = step
        if step.loss is not None:
            self._loss = step.loss

    def interrupt(self) -> None:
        """Leave the time from now to the next step out of the speed: the run is paused or ended."""
        self._marks.clear()

    def read(self) -> dict[str, Any]:
        """Progress, speed and remaining seconds now."""
        step, now = self._step, time.monotonic()
        self._marks.append((now, step.samples_seen))
        while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW_SECONDS:
            self._marks.popleft()
        (start, before), seen = self._marks[0], step.samples_seen
        if seen > before and now > start:  # otherwise nothing was trained lately: the last known speed is kept
            self._speed = (seen - before) / (now - start)
        left = max(0, self._total - seen)
        return {
            "segment": step.segment,
            "megabatch": step.megabatch,
            "epoch": step.epoch,
            "step": step.step,
            "steps": step.steps,
            "phase": getattr(step, "phase", "train"),
            "samples_seen": seen,
            "samples_total": self._total,
            "loss": self._loss,
            "images_per_second": self._speed,
            "eta_seconds": left / self._speed if self._speed else None,
            "updated": datetime.now(UTC).isoformat(),
        }
