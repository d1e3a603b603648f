"""From a cut on screen to a run that trains it: for each criterion a link to the form, filled with the same settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from appcore.analysis.what_if import Density
from appcore.config import build
from appcore.names import counted, display
from appcore.planning import address, sparsity
from appcore.quotas import FLOPS, WEIGHT

from ..app import page
from ..words.text import plain
from .choose import Source

# Settings of a run that the cut replaces.
_CUT = ("method", "pruner", "tau", "scope", "densities", "granularity", "exempt", "options", "semantics", "schedule")


def section(source: Source, criteria: list[str], density: Density, scope: str, exempt: list[str], granularity: str) -> None:
    """Cut once before training, as on screen, then train. No run can begin with the weights of another."""
    if not (any(share < 1 for share in density.values()) if isinstance(density, Mapping) else 0 < density <= 1):
        return
    st.subheader("Train this cut", anchor=False)
    given = dict(page.manager().get(source.run_id)["config"]) if source.run_id else {"megabatches": 1, **(source.config or {})}
    configs = {name: settings(given, name, density, scope, exempt, granularity) for name in criteria}
    first = build(configs[criteria[0]])
    length = f"{counted(first.megabatches, 'megabatch')} of {counted(first.epochs, 'epoch')}, seed {first.seed}"
    words = f"A run that is cut once, {_goal(density, scope)}, before it trains: {length}."
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


def _goal(density: Density, scope: str) -> str:
    if isinstance(density, Mapping):
        return "to these densities of layers"
    return f"by {sparsity.text(1 - density)} of the FLOPs" if scope == FLOPS else f"to {sparsity.text(1 - density)} sparsity"


def settings(
    given: dict[str, Any], criterion: str, density: Density, scope: str, exempt: list[str], granularity: str = WEIGHT
) -> dict[str, Any]:
    """The settings of a run that cuts as on screen before it trains: those of the network, and the question's in place of its own."""
    kept = {name: value for name, value in given.items() if name not in _CUT}
    kept |= {"method": "osp", "pruner": criterion} | ({} if granularity == WEIGHT else {"granularity": granularity})
    if isinstance(density, Mapping):
        return kept | {"densities": [f"{name.removesuffix('.weight')}={share!r}" for name, share in density.items() if share < 1]}
    kept |= {"tau": sparsity.tau_of(1 - density), "scope": scope}
    return kept | ({"exempt": [name.removesuffix(".weight") for name in exempt]} if exempt else {})
