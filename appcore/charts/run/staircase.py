"""Chart of the Run page: how far is it pruned, and when? Planned and counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from appcore.config import build
from appcore.planning import stages

from ..run_styles import looks
from ..staircase import planned, staircase

CHART = {
    "alt": "Steps: planned sparsity at each megabatch or round, with what was counted",
    "order": 20,
    "needs": ("prunes", "moment"),
    "live": True,
    "place": "top right",
    "rows": "prunes",
}


def draw(run: Mapping[str, Any], *, prunes: pd.DataFrame, moment: int | None) -> go.Figure:
    """Planned sparsity as steps, with a dot for each prune point so far."""
    colour = looks([run])[run["run_id"]].colour
    counted = prunes.assign(stage=stages.of_run(run).of(prunes))
    return staircase(planned(build(run["config"])), counted, chosen=moment, colour=colour, revision=run["run_id"])
