"""appcore: train networks on data streams while pruning them, and look at what happened.

    import appcore
    for event in appcore.run(appcore.RunConfig(arch="resnet20", dataset="digits")):
        print(event)

    appcore.train(appcore.RunConfig(pruner="snip"))     # the same, kept in the store that the dashboard shows
    appcore.runs("pruner=snip sparsity>90")             # stored runs as a table
    appcore.frames("pruner=snip").megabatches           # their measurements as tidy tables
    appcore.figure("accuracy", ["20261128-0057", ...])  # the dashboard's figures
    network = appcore.load("20261128-0057")             # a network with its masks
    masks = appcore.prune(network, loader, pruner="snip", density=0.1)  # any torch.nn.Module
    small = appcore.shrink(network, images)             # without pruned filters (granularity="filter"), with the same answers
    appcore.what_if(network, loader, pruner="snip", densities=[0.1, 0.01])

These names are the stable part of the package, with `InputError` for whatever a user can mend. Importing appcore takes neither torch
nor pandas nor streamlit: each function imports what it needs. docs/ARCHITECTURE.md shows how the rest hangs together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import RunConfig
from .errors import InputError

if TYPE_CHECKING:
    from .api.figures import figure, figures
    from .api.networks import prune, shrink, what_if
    from .api.stored import Frames, frames, load, runs
    from .api.training import train
    from .events import Event

__all__ = ["Frames", "InputError", "RunConfig", "figure", "figures", "frames", "load", "prune", "run", "runs", "shrink", "train", "what_if"]
__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys(("figure", "figures"), "figures"),
    **dict.fromkeys(("prune", "shrink", "what_if"), "networks"),
    **dict.fromkeys(("Frames", "frames", "load", "runs"), "stored"),
    "train": "training",
}


def run(config: RunConfig, callbacks: Iterable[Callable[[Event], object]] = ()) -> Iterator[Event]:
    """Carry out a run in memory and yield its events (appcore.events), each after all `callbacks` were called with it. InputError for what
    a user can mend. Nothing happens until events are taken: `for event in run(config)`."""
    from .engine.loop import start
    from .models import own_code

    config = config.model_copy(update={"arch": own_code.allow(config.arch)}).anchored()
    events, called = start(config), tuple(callbacks)
    return _told(events, called) if called else events


def _told(events: Iterator[Event], callbacks: Iterable[Callable[[Event], object]]) -> Iterator[Event]:
    for event in events:
        for callback in callbacks:
            callback(event)
        yield event


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".api.{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
