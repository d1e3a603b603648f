"""What this process takes of the machine that it trains on, for whoever looks at the run from another one. Cheap enough for every write."""

from __future__ import annotations

import time
from typing import Any

import psutil

from ..storage import heartbeat
from . import hardware

EVERY_SECONDS = 2.0


class Usage:
    """Measures this process, which trains on a device ("cpu", or that of a GPU)."""

    def __init__(self, device: str):
        self._process, self._device = psutil.Process(), device
        self._process.cpu_percent()  # the next one is of the time between
        self._read: dict[str, Any] = {}
        self._when = -EVERY_SECONDS

    def read(self) -> dict[str, Any]:
        """{"host", "device", "processor" (cores in use since the last reading), "cores" (that may be used), "memory" (bytes of this
        process), "memory_total"}; on a GPU also {"gpu": {"load" (0 to 1), "memory", "memory_total"}}, all that its programs take."""
        if time.monotonic() - self._when >= EVERY_SECONDS:
            self._when = time.monotonic()
            self._read = {
                "host": heartbeat.me()["host"],
                "device": self._device,
                "processor": self._process.cpu_percent() / 100,
                "cores": hardware.cores(),
                "memory": self._process.memory_info().rss,
                "memory_total": hardware.memory(),
            }
            if not self._device.startswith("cpu") and (found := hardware.in_use(hardware.own_gpu())):
                self._read["gpu"] = found
        return self._read
