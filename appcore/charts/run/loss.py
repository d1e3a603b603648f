"""Chart of the Run page: is it still learning?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..axes import View
from ..curves import loss

CHART = {
    "alt": "Curves: train and validation loss over the epochs",
    "order": 50,
    "needs": ("epochs", "megabatches", "view"),
    "live": True,
    "place": "right",
    "rows": "epochs",
}


def draw(run: Mapping[str, Any], *, epochs: pd.DataFrame, megabatches: pd.DataFrame, view: View) -> go.Figure:
    """Cross-entropy of train and validation, and of test at the ends of megabatches."""
    return loss([run], epochs, megabatches, revision=run["run_id"], view=view)
