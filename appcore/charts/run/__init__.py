"""The charts on the Run page: each file here is one, found by its literal CHART and drawn by its function `draw`.

CHART = {"alt": "Curve: ...", "order": 45, "needs": ("epochs", "view"), "live": True}

def draw(run, *, epochs, view) -> go.Figure: ...
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from appcore import declarations

ROWS = (("top left", "top right"), ("left", "right"))  # places of the page; a place holds one chart below the other
TABLES = ("epochs", "megabatches", "prunes", "layers")
VIEW = ("view", "moment")  # how curves are shown, a `View`; of it the megabatch that was chosen, or None for the newest


@dataclass(frozen=True)
class RunChart:
    """What a chart says of itself."""

    name: str
    alt: str  # for those who cannot see it: the kind of chart, and what it shows
    order: float
    needs: tuple[str, ...]  # of TABLES and VIEW: `draw` gets them by name, and the chart is drawn again only when one of them has changed
    live: bool  # False: it is drawn when the run is finished, below the others, for the totals of the run tell it
    place: str = "left"

    def __post_init__(self) -> None:
        if unknown := {*self.needs} - {*TABLES, *VIEW}:
            raise ValueError(f"needs {sorted(unknown)}; there are {[*TABLES, *VIEW]}")
        if self.place not in (places := [place for row in ROWS for place in row]):
            raise ValueError(f"place {self.place!r}; there are {places}")

    def draw(self, run: Mapping[str, Any], **shown: Any) -> go.Figure:
        """The figure of a run, from what the chart needs."""
        return importlib.import_module(f"{__name__}.{self.name}").draw(run, **shown)


@cache
def found() -> dict[str, RunChart]:
    """All charts by name, in their order."""
    return declarations.found(Path(__file__).parent, "CHART", RunChart)
