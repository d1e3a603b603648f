"""Chart of the Run page: how sparse is each layer, and when?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..heatmaps import sparsity_map

CHART = {
    "alt": "Heatmap: sparsity of each layer at each megabatch",
    "order": 30,
    "needs": ("layers", "moment"),
    "live": True,
    "place": "left",
}


def draw(run: Mapping[str, Any], *, layers: pd.DataFrame, moment: int | None) -> go.Figure:
    """A cell for each layer and megabatch."""
    return sparsity_map(layers, int(run["config"]["megabatches"]), chosen=moment, revision=run["run_id"])
