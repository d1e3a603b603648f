"""Chart of the Run page: where did the time go?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from ..phase_profile import profile
from ..run_styles import looks

CHART = {"alt": "Bars: seconds of each phase of the run", "order": 80, "needs": (), "live": False}


def draw(run: Mapping[str, Any]) -> go.Figure:
    """Seconds of each phase of a finished run as bars."""
    return profile(
        run["totals"]["phase_seconds"], run["totals"]["seconds"], colour=looks([run])[run["run_id"]].colour, revision=run["run_id"]
    )
