"""Tables of the store for the figures of a page, and a token that says whether anything in them is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from appcore import plan
from appcore.config import RunConfig

from . import lab


@dataclass(frozen=True)
class Frames:
    """Everything that was recorded of some runs. Rows are only ever added, so their numbers are a fair token of news."""

    epochs: pd.DataFrame
    megabatches: pd.DataFrame
    prunes: pd.DataFrame
    layers: pd.DataFrame

    def token(self, *names: str) -> tuple[int, ...]:
        """Changes when one of these tables has grown."""
        return tuple(len(getattr(self, name)) for name in names)


def read(runs: Sequence[Mapping[str, Any]]) -> Frames:
    """The tables of these runs; read again only when one of them has come further, so that a tick without news is cheap."""
    token = tuple((run["run_id"], run["status"], run["cursor"], _place(run)) for run in runs)
    kept = st.session_state.get("_frames")
    if kept is None or kept[0] != token:
        run_ids, store = [run["run_id"] for run in runs], lab.store()
        kept = (token, store.epochs(run_ids), store.megabatches(run_ids), store.prunes(run_ids), store.layers(run_ids))
        st.session_state["_frames"] = kept
    return Frames(*kept[1:])


def _place(run: Mapping[str, Any]) -> tuple[int, int]:
    progress = run["progress"] or {}
    return progress.get("megabatch", -1), progress.get("epoch", -1)


def planned(config: RunConfig) -> pd.DataFrame:
    """The staircase of a plan: megabatch, density in force, and whether a prune point opens it."""
    rows: dict[int, dict[str, Any]] = {}
    for segment in plan.plan(config):
        row = rows.setdefault(segment.megabatch, {"megabatch": segment.megabatch, "density": segment.density, "prunes": False})
        row["density"] = segment.density
        row["prunes"] = row["prunes"] or segment.kind == "prune"
    return pd.DataFrame(list(rows.values()), columns=["megabatch", "density", "prunes"])


def total_weights(run: Mapping[str, Any], layers: pd.DataFrame) -> int:
    """Prunable weights of a run."""
    mine = layers[layers["run_id"] == run["run_id"]]
    return int(mine.drop_duplicates("layer")["total"].sum())
