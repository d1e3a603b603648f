"""The mask snapshots of a run, read without torch; comparisons are cached, since a stored mask never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from appcore import paths
from appcore.analysis import mask_history
from appcore.planning import stages
from appcore.storage import checkpoint

from . import page, tables


@dataclass(frozen=True)
class Snapshot:
    """A stored mask: where in the run it was made, its display name (`short` on an axis), and its file."""

    segment: int
    megabatch: int
    stage: int
    short: str
    words: str
    path: str


def snapshots(run: Mapping[str, Any], data: tables.Frames) -> list[Snapshot]:
    """The mask snapshots of a run that are stored here, in order of time."""
    folder = paths.run_folder(page.store().folder, run["run_id"])
    rows = []
    for kind, table in (("prune", data.prunes), ("end", data.megabatches)):
        mine = table[table["run_id"] == run["run_id"]]
        rows += [(int(row["segment"]), kind, row) for row in mine.to_dict("records")]
    stored = {path.name for path in checkpoint.stored(folder)}
    rows = [row for row in sorted(rows, key=lambda row: row[0]) if paths.masks(folder, row[0]).name in stored]
    known = stages.of_run(run)
    openings = Counter(known.at(row) for _, kind, row in rows if kind == "prune")
    return [_snapshot(folder, segment, kind, row, known, openings[known.at(row)] > 1) for segment, kind, row in rows]


def _snapshot(folder: Path, segment: int, kind: str, row: Mapping[str, Any], known: stages.Stages, is_one_of_many: bool) -> Snapshot:
    """A snapshot named by its stage; `is_one_of_many`: prune points of this stage, which are told apart by the epoch that they open."""
    stage, megabatch, path = known.at(row), int(row["megabatch"]), str(paths.masks(folder, segment))
    label, words = known.labels[stage], stages.in_words(known.places[stage], known.word)
    epoch = int(row.get("epoch", 0) or 0) + 1
    if kind == "end":
        return Snapshot(segment, megabatch, stage, f"{label} end", f"the end of {words}", path)
    if is_one_of_many and epoch > 1:
        return Snapshot(segment, megabatch, stage, f"{label}.{epoch}", f"{words}, before epoch {epoch}", path)
    return Snapshot(segment, megabatch, stage, label, f"the start of {words}", path)


@st.cache_data(max_entries=24, show_spinner=False)
def packed(path: str) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, ...]]]:
    """Bits and shapes of a stored mask; ValueError when it is damaged or cannot be read now."""
    return checkpoint.load_packed(Path(path))


def totals(shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Weights of each layer."""
    return {name: prod(shape) for name, shape in shapes.items()}


def shared(one: Sequence[str], other: Sequence[str] | None = None) -> mask_history.Shared:
    """The weights that masks of two runs (or of one run) share, by the paths of their files."""
    return mask_history.Shared(**_shared(tuple(one), None if other is None else tuple(other)))


@st.cache_data(max_entries=24, show_spinner="Comparing the stored masks…")
def _shared(one: tuple[str, ...], other: tuple[str, ...] | None) -> dict[str, Any]:
    # Not `packed`: its cache holds few masks, and each of these is needed only once.
    sides = [[checkpoint.load_packed(Path(path)) for path in side] for side in (one, other or ())]
    both = sides[0], sides[1] if other is not None else None
    found = mask_history.shared(
        [bits for bits, _ in both[0]], None if both[1] is None else [bits for bits, _ in both[1]], totals=totals(both[0][0][1])
    )
    return {name: getattr(found, name) for name in ("layers", "totals", "one", "other", "counts")}


def at_ends(some: Sequence[Snapshot], word: str) -> dict[int, str]:
    """Stage (from 0) and the path of the mask in force at its end, by megabatches where the `word` for a stage is that."""
    at = [snapshot.megabatch if word == "megabatch" else snapshot.stage for snapshot in some]
    return dict(zip(at, [snapshot.path for snapshot in some]))  # in the order of time: the last one stays


@st.cache_data(max_entries=400, show_spinner=False)
def alike(one: str, other: str) -> tuple[float, float, tuple[str, ...], np.ndarray, np.ndarray]:
    """For two stored masks: IoU and its random baseline over all layers; then the layers, and both numbers for each."""
    (bits, shapes), (others, _) = (checkpoint.load_packed(Path(path)) for path in (one, other))
    found = mask_history.shared([bits], [others], totals=totals(shapes))
    iou, chance = found.overlap()
    return float(iou[0, 0]), float(chance[0, 0]), found.layers, *found.overlap_of_layers(0, 0)


@st.cache_data(max_entries=32, show_spinner=False)
def strips(path: str, columns: int = 100) -> tuple[np.ndarray, list[int], list[int]]:
    """For each layer: its filters' shares kept in falling order, how many are empty, and how many there are."""
    bits, shapes = packed(path)
    masks = [mask_history.unpacked(bits[name], shapes[name]) for name in bits]
    rows = [mask_history.spread(mask_history.filter_density(mask), columns) for mask in masks]
    return np.array(rows), [len(mask_history.empty_filters(mask)) for mask in masks], [len(mask) for mask in masks]


@st.cache_data(max_entries=16, show_spinner=False)
def filters(some: tuple[str, ...], layer: str) -> np.ndarray:
    """Share kept of each filter of a layer at each snapshot, [filter, snapshot]."""
    columns = []
    for path in some:
        bits, shapes = checkpoint.load_packed(Path(path))
        columns.append(mask_history.filter_density(mask_history.unpacked(bits[layer], shapes[layer])))
    return np.array(columns).T


def fates(before: str | None, now: str, layer: str) -> np.ndarray:
    """The fate of each weight of a layer since the previous snapshot."""
    bits, shapes = packed(now)
    old = None if before is None else mask_history.unpacked(packed(before)[0][layer], shapes[layer])
    return mask_history.fates(old, mask_history.unpacked(bits[layer], shapes[layer]))


def alive(run_id: str, segment: int, layers: pd.DataFrame) -> pd.DataFrame:
    """Kept and alive weights of each layer as the engine counted them for a snapshot, in network order."""
    rows = layers[(layers["run_id"] == run_id) & (layers["segment"] == segment)]
    return rows.sort_values("seq")[["layer", "kept", "alive", "total"]].drop_duplicates("layer", keep="last")


def dead_channels(run_id: str, segment: int, prunes: pd.DataFrame) -> dict[str, int]:
    """Filters without an alive weight, of the layers that have any; empty where the run has not counted them."""
    return {name: count for name, count in (collapsed(run_id, segment, prunes) or {}).items() if count}


def collapsed(run_id: str, segment: int, prunes: pd.DataFrame) -> dict[str, int] | None:
    """Filters without an alive weight in each layer, as a prune point counted them; None where it did not."""
    rows = prunes[(prunes["run_id"] == run_id) & (prunes["segment"] == segment)]
    facts = rows.iloc[-1]["facts"] if len(rows) else None
    return (facts or {}).get("collapsed_channels")
