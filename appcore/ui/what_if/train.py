"""From a cut on screen to a run that trains it: for each criterion a link to the form, filled with the same settings."""

from __future__ import annotations

from typing import Any

import streamlit as st

from appcore.config import build
from appcore.names import counted, display
from appcore.planning import address, sparsity

from ..app import page
from ..words.text import plain
from .choose import Source

# Settings of a run that the cut replaces.
_CUT = ("method", "pruner", "tau", "scope", "densities", "granularity", "exempt", "options", "semantics", "schedule")


def section(source: Source, criteria: list[str], density: float, scope: str, exempt: list[str]) -> None:
    """Cut once before training, as on screen, then train. No run can begin with the weights of another."""
    if not 0 < density <= 1:
        return
    st.subheader("Train this cut", anchor=False)
    given = dict(page.manager().get(source.run_id)["config"]) if source.run_id else {"megabatches": 1, **(source.config or {})}
    configs = {name: settings(given, name, density, scope, exempt) for name in criteria}
    first = build(configs[criteria[0]])
    length = f"{counted(first.megabatches, 'megabatch')} of {counted(first.epochs, 'epoch')}, seed {first.seed}"
    words = f"A run that is cut once, to {sparsity.text(1 - density)} sparsity, before it trains: {length}."
    if source.run_id:
        words += (
            " A run begins with initial weights, so it cannot go on from this checkpoint: the same network is cut at its start, and "
            "what is kept differs from the picture above. Choose *Its initial values* to see it."
        )
    st.caption(words)
    with st.container(horizontal=True):
        for name, config in configs.items():
            st.page_link(
                page.link("run"),
                label=f"Start a run from this: {plain(display(name))}",
                icon=":material/arrow_forward:",
                query_params=address.of_run(build(config).model_dump(mode="json")),
                help="The form opens with these settings, and says what the run will cost before it starts",
            )


def settings(given: dict[str, Any], criterion: str, density: float, scope: str, exempt: list[str]) -> dict[str, Any]:
    """The settings of a run that cuts as on screen before it trains: those of the network, and the question's in place of its own."""
    kept = {name: value for name, value in given.items() if name not in _CUT}
    kept |= {"method": "osp", "pruner": criterion, "tau": sparsity.tau_of(1 - density), "scope": scope}
    return kept | ({"exempt": [name.removesuffix(".weight") for name in exempt]} if exempt else {})
