"""The recorded gallery: small pictures, each a question with its curves, and a link to the runs that they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from appcore import charts
from appcore.analysis.measures import MEASURES
from appcore.recordings import catalog, shipped
from appcore.recordings.catalog import Picture
from appcore.service.recorded import are_wanted

from ..app import page
from ..words.text import harmless
from .small_picture import Curve, image

_MOST_RUNS = 6  # that a page of comparison picks by itself
_OVER = {"stream": "megabatch", "sparsity": "fewer weights"}


def show() -> bool:
    """The pictures of the recordings that came with the program, three in a row; whether there are any."""
    known = shipped.pictures() if are_wanted() else {}
    pictures = [picture for picture in catalog.GALLERY if set(known.get(picture.name, ())) == set(picture.curves)]
    if not pictures:
        return False
    st.subheader("Recorded on real images", anchor=False)
    with st.grid(min(3, len(pictures)), min_column_width=280, gap="medium", key="gallery"):
        for picture in pictures:
            with st.container(border=True, height="stretch", gap="xsmall", key=f"picture-{picture.name}"):
                st.html(_drawn(picture, known[picture.name]))
                st.page_link(page.link("compare"), label=f"**{harmless(picture.title)}**", query_params={"runs": ",".join(_runs(picture))})
                st.caption(harmless(picture.about))
    if problem := page.manager().recorded.problem:
        st.caption(f":orange[:material/warning: The runs of these pictures are not in the store: {harmless(problem)}]")
    return True


def _runs(picture: Picture) -> list[str]:
    """The runs of a picture, the first seed of each recording first, no more than a page of comparison picks by itself."""
    made = shipped.runs()
    by_seed = [catalog.run_ids(name) for name in picture.recordings]
    found = [ids[place] for place in range(max(map(len, by_seed))) for ids in by_seed if place < len(ids)]
    return [run_id for run_id in found if run_id in made][: max(_MOST_RUNS, len(by_seed))]


def _drawn(picture: Picture, points: Mapping[str, Sequence[Sequence[float]]]) -> str:
    factor, label = _scale(picture.measure)
    looks = _looks(picture, list(points))
    at = _fewer if picture.over == "sparsity" else float
    curves = [Curve(name, [(at(x), factor * y) for x, y in curve], *looks[name]) for name, curve in points.items()]
    return image(curves, title=picture.title, label=label, over=_OVER[picture.over])


def _fewer(sparsity: float) -> float:
    """How often the weights that are left were halved: from 63 to 99.9 % removed every cut is seen."""
    return -math.log2(max(1.0 - sparsity, 1e-6))


def _scale(measure: str) -> tuple[float, str]:
    """Factor and label of a measure."""
    if measure == "first_layer":
        return 100.0, "First layer kept, %"
    known = MEASURES[measure]
    return float(known.factor), f"{known.label}, {known.unit}"


def _looks(picture: Picture, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and dash of each curve: those that its first recording has in every chart."""
    runs: list[dict[str, Any]] = []
    for name in names:
        given = catalog.recording(picture.curves[name][0]).settings  # not completed: that takes a tenth of a second at the first page
        runs.append({"pruner": "", **given, "run_id": name, "config": given})
    found = charts.looks(runs)
    return {name: (found[name].colour, found[name].dash) for name in names}
