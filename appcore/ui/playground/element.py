"""The playground as an element of a page: the server gives it the points of the data sets, once; all else happens in the browser."""

from __future__ import annotations

import base64
from functools import cache

import numpy as np
import streamlit as st

from appcore import plugins
from appcore.config import RunConfig
from appcore.datasets import plane

from .script import FOLDER, script

_component = st.components.v2.component(
    "playground",
    html="<div class='playground'></div>",
    css=(FOLDER / "playground.css").read_text(encoding="utf-8"),
    js=script(),
    isolate_styles=False,
)


def show(address: str | None = None, key: str = "playground") -> None:
    """Draw the playground; what is chosen and done in it stands in the page's address. Given an address of its own, it shows what that
    says and leaves the page's alone; another one wants another key."""
    _component(key=key, data={"sets": _sets(), "address": address}, height="content")


@cache
def _sets() -> dict[str, dict[str, str]]:
    """By name: the title, and the training points as bytes x, y, class."""
    found = {}
    for name in plane.CHOICES:
        images = plane.load(RunConfig(dataset=name))
        points = np.column_stack([images.train_x.reshape(-1, 2), images.train_y]).astype(np.uint8)
        text = base64.urlsafe_b64encode(points.tobytes()).decode().rstrip("=")
        found[name] = {"title": plugins.choices("datasets")[name].short, "points": text}
    return found
