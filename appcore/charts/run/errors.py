"""Chart of the Run page: how many errors so far?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..axes import View
from ..curves import errors

CHART = {
    "alt": "Curve: test errors summed over the megabatches",
    "order": 60,
    "needs": ("epochs", "megabatches", "view"),
    "live": True,
    "place": "right",
    "rows": "megabatches",
    "of_streams": True,
}


def draw(run: Mapping[str, Any], *, epochs: pd.DataFrame, megabatches: pd.DataFrame, view: View) -> go.Figure:
    """Misclassified test images, added up."""
    return errors([run], epochs, megabatches, revision=run["run_id"], view=view)
