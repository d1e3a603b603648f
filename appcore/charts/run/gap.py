"""Chart of the Run page: does it overfit?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..axes import View
from ..curves import gap

CHART = {
    "alt": "Curve: train minus validation accuracy over the epochs",
    "order": 40,
    "needs": ("epochs", "megabatches", "view"),
    "live": True,
    "place": "right",
    "rows": "epochs",
}


def draw(run: Mapping[str, Any], *, epochs: pd.DataFrame, megabatches: pd.DataFrame, view: View) -> go.Figure:
    """Train minus validation accuracy, in points."""
    return gap([run], epochs, megabatches, revision=run["run_id"], view=view)
