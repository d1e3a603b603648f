"""Fair timing and its report: interleaved rounds, medians with range, a description of the machine. Independent of what is measured."""

from __future__ import annotations

import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..engine.threads import ALL_THREADS
from ..names import counted


@dataclass(frozen=True)
class Row:
    """One line of the table. Without values the row reads "not measured"."""

    what: str
    device: str
    unit: str
    goal: str = ""
    note: str = ""
    values: list[float] = field(default_factory=list)

    @property
    def value(self) -> str:
        """Median and range as text."""
        if not self.values:
            return "not measured"
        low, high, rounds = min(self.values), max(self.values), len(self.values)
        return f"{_text(statistics.median(self.values))} {self.unit} ({_text(low)} to {_text(high)}, n = {rounds})"

    def plain(self) -> dict[str, Any]:
        """The row as JSON takes it, with the middle half beside the median."""
        median = statistics.median(self.values) if self.values else None
        quartiles = statistics.quantiles(self.values, n=4, method="inclusive")[::2] if len(self.values) > 1 else None
        return {**asdict(self), "median": median, "quartiles": quartiles, "value": self.value}


def _text(value: float) -> str:
    """A number with three digits; whole numbers from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interleaved(sides: dict[str, Callable[[], Any]], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds of each side in each round (A B A B ...), after one round that is not counted.

    A machine that slows down slows both sides, so ratios are taken within a round.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if device == "cuda":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in times.items()}


def is_here(device: str) -> bool:
    """Whether a device can be measured on this machine."""
    return device == "cpu" or torch.cuda.is_available()


def machine() -> dict[str, Any]:
    """Processor, threads, system and GPU in words; no host name."""
    name, listed = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if listed.exists():
        models = [line.partition(":")[2].strip() for line in listed.read_text().splitlines() if line.startswith("model name")]
        name = models[0] if models else name
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {"processor": name, "threads": ALL_THREADS, "system": platform.system(), "gpu": gpu}


def file_stem(about: dict[str, Any]) -> str:
    """The machine as a part of a file name: "amd-epyc-2-threads"."""
    text = f"{about['processor']} {about['threads']} threads {about['gpu']}".lower()
    return re.sub("[^a-z0-9]+", "-", text).strip("-")


def table(found: dict[str, Any]) -> str:
    """What was measured as a Markdown table, under a line with machine, versions, data and command."""
    about, versions = found["machine"], ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return "\n".join(
        [
            f"{about['processor']}, {counted(about['threads'], 'thread')}, {about['gpu'] or 'no GPU'}; {versions}; {found['images']};",
            f"`{found['command']}`, {found['date']}, {found['seconds']:.0f} s. Median (lowest to highest) over n rounds.",
            "",
            "| what | device | measured | goal | remark |",
            "|---|---|---|---|---|",
            *(f"| {row['what']} | {row['device']} | {row['value']} | {row['goal']} | {row['note']} |" for row in found["rows"]),
            "",
        ]
    )
