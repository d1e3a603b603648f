"""Chart of the Run page: how sparse is each layer, and when?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..heatmaps import sparsity_map

CHART = {
    "alt": "Heatmap: sparsity of each layer at each megabatch or round",
    "order": 30,
    "needs": ("layers", "moment"),
    "live": True,
    "place": "left",
    "rows": "layers",
}


def draw(run: Mapping[str, Any], *, layers: pd.DataFrame, moment: int | None) -> go.Figure:
    """A cell for each layer and stage."""
    return sparsity_map(layers, run, chosen=moment, revision=run["run_id"])
