"""Runs of a store as tables and networks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from .. import paths
from ..analysis import conditions, run_library
from ..errors import InputError
from ..storage.store import Store

if TYPE_CHECKING:
    from torch import nn

Address: TypeAlias = str | Path | None
Which: TypeAlias = str | Iterable[str] | pd.DataFrame


@dataclass(frozen=True, eq=False)
class Frames:
    """The measurements of some runs as tidy tables, one row each; `run_id` says whose. Fractions are between 0 and 1, times in seconds.

    - `epochs`: train and validation loss and accuracy.
    - `megabatches`: test accuracy, gaps and errors at the end of each.
    - `rounds`: the test of each round of a method that has rounds.
    - `prunes`: densities at each prune point.
    - `layers`: weights in all, kept and alive of each layer at each prune point and megabatch end.
    """

    epochs: pd.DataFrame
    megabatches: pd.DataFrame
    rounds: pd.DataFrame
    prunes: pd.DataFrame
    layers: pd.DataFrame


def runs(where: str = "", *, store: Address = None) -> pd.DataFrame:
    """The runs that meet a search, newest first, recorded ones last: a row each, with labels, newest numbers, and all settings in `config`.

    `where`: words and conditions as on the page Runs, e.g. "pruner=snip sparsity>90 seed<3"; numbers in it have the unit of that page
    (percent), numbers in the table are fractions. `store`: a file or an address, by default that of the app (APPCORE_STORE).
    InputError for a condition on what there is not.
    """
    with closing(Store(store)) as opened:
        found = opened.runs(recorded=True)
        table = run_library.overview(found, opened.megabatches([run["run_id"] for run in found], newest=True), opened.ablations.survey()[0])
    table = conditions.search(table, where).reset_index(drop=True)
    table["config"] = [run["config"] for run in table["run"]]
    return table.drop(columns=["run", "like", "pinned"])


def frames(which: Which, *, store: Address = None) -> Frames:
    """All measurements of some runs: by an id or its unique beginning, by several, by a table from `runs`, or by a search as `runs` has."""
    ids = [row["run_id"] for row in rows(which, store)]
    with closing(Store(store)) as opened:
        return Frames(*(getattr(opened, table)(ids) for table in ("epochs", "megabatches", "rounds", "prunes", "layers")))


def load(run: str, *, store: Address = None) -> nn.Module:
    """The network of a run's newest checkpoint, on the CPU and in evaluation mode, pruned weights exactly 0; its attribute `masks` holds
    the masks by weight name (bool, True = kept). InputError where there is no checkpoint, e.g. for a recorded run, which has no weights.
    """
    from ..transfer import model_formats

    with closing(Store(store)) as opened:
        row = opened.get(run)
        network = model_formats.load(row, paths.run_folder(opened.folder, row["run_id"]))
    model = network.model()
    model.masks = network.masks  # type: ignore[assignment]
    return model


def rows(which: Which, store: Address = None) -> list[dict[str, Any]]:
    """The whole records of the runs that are meant, in the order given. InputError where there are none."""
    with closing(Store(store)) as opened:
        found = [opened.get(name) for name in _ids(which, opened, store)]
    if not found:
        raise InputError("no run is meant; appcore.runs() lists those that there are", "run_id")
    return found


def _ids(which: Which, opened: Store, store: Address) -> Iterable[str]:
    if isinstance(which, pd.DataFrame):
        return which["run_id"]
    if not isinstance(which, str):
        return which
    with suppress(InputError):
        return [opened.find(which)]
    return runs(which, store=store)["run_id"]
