"""What this machine has for training: cores, memory and GPUs. Knows no torch, whose import would hold up the page: the graphics driver is
asked by its own library."""

from __future__ import annotations

import math
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_CORES_OF_GROUP = Path("/sys/fs/cgroup/cpu.max")
_MEMORY_OF_GROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Gpu:
    """A GPU that programs may use here: as CUDA_VISIBLE_DEVICES names it, as users know it, and the bytes of its memory."""

    name: str
    title: str
    memory: int


def cores() -> int:
    """Processor cores that this program may use, by its affinity and the quota of its container."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no container, or no quota: "max"
        quota, period = _CORES_OF_GROUP.read_text().split()
        found = min(found, max(1, math.floor(int(quota) / int(period) + 0.5)))
    return found


@cache
def cpu_vendor() -> str:
    """Who made the processor, as it says itself, such as GenuineIntel; empty where the system does not tell.

    Libraries choose kernels by it: with equal instructions those of Intel and AMD differ in the last bits.
    """
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("vendor_id", "CPU implementer")):
                return line.partition(":")[2].strip()
    return platform.processor().rpartition(", ")[2]  # on Windows that is its end


def memory() -> int:
    """Bytes of memory that programs may use here: of the machine, or what its container allows."""
    found = psutil.virtual_memory().total
    with suppress(OSError, ValueError):
        found = min(found, int(_MEMORY_OF_GROUP.read_text()))
    return found


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; none without a driver."""
    return _gpus(os.environ.get(_VISIBLE))


def device_of(wanted: str) -> str:
    """The device that `auto`, `cpu` or `cuda` means here."""
    return wanted if wanted != "auto" else "cuda" if gpus() else "cpu"


def own_gpu() -> str:
    """The GPU in which this program itself computes, which is the first that it sees; "" where none is known."""
    found = gpus()
    return found[0].name if found else ""


def only(gpu: str) -> dict[str, str]:
    """The environment of a program that is to see one GPU alone."""
    return {_VISIBLE: gpu, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@cache  # what the driver knows does not change, and is asked for ten times a second while a run waits
def _gpus(visible: str | None) -> tuple[Gpu, ...]:
    try:
        import pynvml

        pynvml.nvmlInit()
        names = [str(index) for index in range(pynvml.nvmlDeviceGetCount())] if visible is None else visible.split(",")
        return tuple(_gpu(pynvml, name.strip()) for name in names if name.strip() not in ("", "-1"))
    except Exception:  # no library, no driver, no such device: all the same here
        return ()


def in_use(gpu: str) -> dict[str, float]:
    """What programs take of a GPU: {"load" (0 to 1, of the last second), "memory", "memory_total" (bytes)}; empty where nobody can say."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = _handle(pynvml, gpu)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        load = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        return {"load": load, "memory": int(memory.used), "memory_total": int(memory.total)}
    except Exception:  # as in `_gpus`; or no permission
        return {}


def _gpu(pynvml: object, name: str) -> Gpu:
    handle = _handle(pynvml, name)
    title, memory = (getattr(pynvml, f"nvmlDeviceGet{fact}")(handle) for fact in ("Name", "MemoryInfo"))
    return Gpu(name, title if isinstance(title, str) else title.decode(), int(memory.total))


def _handle(pynvml: object, name: str) -> object:
    by_index, by_id = (getattr(pynvml, f"nvmlDeviceGetHandleBy{kind}") for kind in ("Index", "UUID"))
    return by_index(int(name)) if name.isdecimal() else by_id(name)
