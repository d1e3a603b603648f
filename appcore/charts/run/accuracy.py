"""Chart of the Run page: how accurate is it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..axes import View
from ..curves import accuracy

CHART = {
    "alt": "Curves: train, validation and test accuracy over the epochs",
    "order": 10,
    "needs": ("epochs", "megabatches", "rounds", "view"),
    "live": True,
    "place": "top left",
    "rows": "epochs",
}


def draw(run: Mapping[str, Any], *, epochs: pd.DataFrame, megabatches: pd.DataFrame, rounds: pd.DataFrame, view: View) -> go.Figure:
    """Train, validation and test accuracy, with events of the run as marks along the upper edge."""
    return accuracy([run], epochs, megabatches, rounds=rounds, revision=run["run_id"], view=view)
