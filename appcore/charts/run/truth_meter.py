"""Chart of the Run page: is the density as requested? The densities that were counted last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from appcore.planning import stages
from appcore.quotas import WEIGHT

from ..density_meter import truth_meter
from ..run_styles import looks

CHART = {
    "alt": "Bars: density requested, in the mask, in forward, and alive",
    "order": 70,
    "needs": ("prunes", "megabatches", "layers", "moment"),
    "live": True,
    "place": "left",
    "rows": "layers",
}


def draw(run: Mapping[str, Any], *, prunes: pd.DataFrame, megabatches: pd.DataFrame, layers: pd.DataFrame, moment: int | None) -> go.Figure:
    """Requested, mask, effective and alive density as bars."""
    total = int(layers.drop_duplicates("layer")["total"].sum())
    colour = looks([run])[run["run_id"]].colour
    point, granularity = _densities(run, prunes, megabatches, moment), run["config"].get("granularity", WEIGHT)
    flops = _flops(prunes if moment is None else prunes[stages.of_run(run).of(prunes) == moment])
    return truth_meter(point, total, colour=colour, revision=run["run_id"], granularity=granularity, flops=flops)


def _flops(prunes: pd.DataFrame) -> dict[str, float] | None:
    """The shares of FLOPs asked for and left at the last of these prune points; None where densities were asked for."""
    facts = prunes["facts"].iloc[-1] if len(prunes) and "facts" in prunes else None
    return facts.get("flops") if isinstance(facts, dict) else None


def _densities(run: Mapping[str, Any], prunes: pd.DataFrame, megabatches: pd.DataFrame, moment: int | None) -> dict[str, float] | None:
    """The densities counted last (of a stage, if one is chosen), at a prune point or at the end of a megabatch."""
    tables = (frame if moment is None else frame[stages.of_run(run).of(frame) == moment] for frame in (prunes, megabatches))
    rows = [frame.iloc[-1] for frame in tables if len(frame)]
    if not rows:
        return None
    row = max(rows, key=lambda row: row["segment"])
    return {name: float(row[name]) for name in ("density_requested", "density_mask", "density_effective", "density_alive")}
