"""The interface between driver and engine; tests substitute a fake."""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .. import __version__
from . import hardware

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..events import Event


class Work(Protocol):
    """What a driver needs of an engine. `create` and `restore` give a state with `cursor`, `masks` and `snapshot() -> (tensors, facts)`."""

    def config(self, values: dict[str, Any]) -> Any: ...
    def check(self, config: Any) -> None: ...
    def plan(self, config: Any) -> tuple: ...
    def total_samples(self, config: Any) -> int: ...
    def estimate(self, config: Any, earlier: Sequence[tuple[Any, float]], in_trainer: Callable) -> dict[str, Any]: ...
    def memory_bytes(self, config: Any) -> int: ...
    def slots(self, config: Any) -> float: ...
    def data_digest(self, config: Any) -> str | None: ...
    def versions(self) -> dict[str, Any]: ...
    def create(self, config: Any) -> Any: ...
    def restore(self, config: Any, tensors: dict[str, Any], facts: dict[str, Any]) -> Any: ...
    def run(self, state: Any, plan: tuple) -> Generator[Event, None, None]: ...
    def release(self) -> None: ...


class Need(NamedTuple):
    """What a job takes of its device: cores, or a share of a GPU; and bytes of its memory, 0 where that is not known."""

    slots: float = 1
    size: int = 0


def need_of(work: Work, configs: Iterable[dict[str, Any]]) -> Need:
    """What runs in lockstep need: the steps of one at a time, the memory of all; also for settings that their driver is going to refuse."""
    slots, size = [], 0
    for values in configs:
        with suppress(Exception):
            config = work.config(values)
            slots.append(work.slots(config))
            size += work.memory_bytes(config)
    return Need(max(slots, default=1), size)


class Engine:
    """The real engine. Modules are imported when they are needed: torch takes seconds, and a plug-in that is edited while the app
    runs takes effect from the next run on."""

    def config(self, values: dict[str, Any]) -> RunConfig:
        """Settings from plain values; InputError for invalid ones."""
        return _module("config").build(values)

    def check(self, config: RunConfig) -> None:
        """InputError when these settings cannot run with this data on this machine."""
        found = _module("planning.plan").check(config)
        # Only settings that can fail are worth the seconds of torch's import when Start is pressed first.
        can_fail = config.device == "cuda" or ":" in config.arch or config.weights or config.exempt or config.prunable != "auto"
        if can_fail or _module("planning.relevance").lone_images(config):
            _module("engine.stream").pick_device(config.device)
            _module("engine.network_check").check(config, found)

    def plan(self, config: RunConfig) -> tuple:
        """The segments of a run."""
        return _module("planning.plan").plan(config)

    def total_samples(self, config: RunConfig) -> int:
        """Training images of the whole plan, repetitions included."""
        plan = _module("planning.plan")
        return plan.total_samples(config, plan.check(config))

    def estimate(self, config: RunConfig, earlier: Sequence[tuple[RunConfig, float]], in_trainer: Callable) -> dict[str, Any]:
        """What a run would cost, see `estimate.estimate`."""
        return _module("engine.estimate").estimate(config, earlier, in_trainer)

    def memory_bytes(self, config: RunConfig) -> int:
        """Peak memory of a run, on the GPU where it uses one."""
        return _module("engine.estimate").memory_bytes(config)

    def slots(self, config: RunConfig) -> float:
        """CPU threads that the steps of a run compute with, or the share of a GPU that they fill."""
        found, threads = _module("planning.plan").check(config), _module("engine.threads")
        step = _module("engine.flops").count(config.arch, found.shape, len(found.classes)).training * config.batch_size
        device = _module("engine.data").pick_device(config.device).type
        return threads.threads_for(step, device) if device == "cpu" else threads.share_of_gpu(step)

    def data_digest(self, config: RunConfig) -> str | None:
        """SHA-256 of the images and labels that these settings mean now, see `data.digest_here`."""
        return _module("engine.data").digest_here(config)

    def versions(self) -> dict[str, Any]:
        """What affects the last bits of a result beyond settings, data and device: software, the CPU's instructions and maker, threads."""
        torch = import_module("torch")
        found = {"appcore": __version__, "torch": torch.__version__}
        found |= {name: metadata.version(name) for name in ("torchvision", "numpy", "pillow")}
        found |= {"machine": platform.machine(), "cpu": torch.backends.cpu.get_cpu_capability()}
        if vendor := hardware.cpu_vendor():
            found["vendor"] = vendor
        return found | {"threads": _module("engine.threads").ALL_THREADS}

    def create(self, config: RunConfig) -> Any:
        """The state before the first segment."""
        return _module("engine.state").RunState.create(config)

    def restore(self, config: RunConfig, tensors: dict[str, Any], facts: dict[str, Any]) -> Any:
        """The state that a checkpoint holds."""
        return _module("engine.state").RunState.restore(config, tensors, facts)

    def release(self) -> None:
        """Free memory after a run has ended, on the device too."""
        torch = import_module("torch")
        if torch.cuda.is_initialized():
            gc.collect()
            torch.cuda.empty_cache()
        _module("engine.memory").give_back()

    def run(self, state: Any, plan: tuple) -> Generator[Event, None, None]:
        """The events of the rest of the plan."""
        return _module("engine.loop").run(state, plan)


def _module(name: str) -> Any:
    return import_module(f"..{name}", __package__)
