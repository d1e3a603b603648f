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

ROWS = (("top left", "top right"), ("left", "right"))  # places on the page; charts of one place are stacked
TABLES = ("epochs", "megabatches", "prunes", "layers", "rounds")
VIEW = ("view", "moment")  # how curves are shown, a `View`; and its chosen megabatch, or None for the newest


@dataclass(frozen=True)
class RunChart:
    """The declaration of a chart."""

    name: str
    alt: str  # text for screen readers: the kind of chart, and what it shows
    order: float
    needs: tuple[str, ...]  # names from TABLES and VIEW: `draw` gets these, and the chart is drawn again only when one of them has changed
    live: bool  # False: drawn from the run's totals when it has finished, below the others
    place: str = "left"
    rows: str = ""  # a name from TABLES: a run that has ended without rows in it has nothing to show here
    of_streams: bool = False  # True: only of runs with several megabatches

    def __post_init__(self) -> None:
        if unknown := {*self.needs} - {*TABLES, *VIEW}:
            raise ValueError(f"needs {sorted(unknown)}; there are {[*TABLES, *VIEW]}")
        if self.rows not in ("", *TABLES):
            raise ValueError(f"rows {self.rows!r}; there are {[*TABLES]}")
        if self.place not in (places := [place for row in ROWS for place in row]):
            raise ValueError(f"place {self.place!r}; there are {places}")

    def is_for(self, run: Mapping[str, Any]) -> bool:
        """Whether a run has what the chart is about."""
        return not self.of_streams or int(run["config"]["megabatches"]) > 1

    def draw(self, run: Mapping[str, Any], **shown: Any) -> go.Figure:
        """The figure of a run, from the values that the chart needs."""
        return importlib.import_module(f"{__name__}.{self.name}").draw(run, **shown)


@cache
def found() -> dict[str, RunChart]:
    """All charts by name, in their order."""
    return declarations.found(Path(__file__).parent, "CHART", RunChart)
