"""From a cut on screen to a run that trains it: a button for each criterion starts one with the same settings."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from appcore.config import build
from appcore.names import counted, display
from appcore.planning import sparsity

from ..app import page
from ..words import run_text
from ..words.text import harmless, plain
from .choose import Source

_CUT = ("method", "pruner", "tau", "scope", "exempt", "options", "semantics", "schedule")  # settings of a run that the cut replaces


def section(source: Source, criteria: list[str], density: float, scope: str, exempt: list[str]) -> None:
    """Cut once before training, as on screen, then train. No run can begin with the weights of another."""
    if not 0 < density <= 1:
        return
    st.subheader("Train this cut", anchor=False)
    given = dict(page.manager().get(source.run_id)["config"]) if source.run_id else {"megabatches": 1, **(source.config or {})}
    configs = {name: settings(given, name, density, scope, exempt) for name in criteria}
    first = build(configs[criteria[0]])
    length = f"{counted(first.megabatches, 'megabatch')} of {counted(first.epochs, 'epoch')}, seed {first.seed}"
    words = f"Starts a run that is cut once, to {sparsity.text(1 - density)} sparsity, before it trains: {length}."
    if source.run_id:
        words += (
            " A run begins with initial weights, so it cannot go on from this checkpoint: the same network is cut at its start, and "
            "what is kept differs from the picture above. Choose *Its initial values* to see it."
        )
    st.caption(words)
    with st.container(horizontal=True):
        for name, config in configs.items():
            if st.button(f"Start a run from this: {plain(display(name))}", icon=":material/play_arrow:", key=f"train-{name}"):
                _start(config)


def _start(config: dict[str, Any]) -> None:
    try:
        token = json.dumps(config, sort_keys=True)  # pressed twice, it starts one run
        run_id = page.manager().start([config], titles=[run_text.title(config)], token=token)[0]
    except (ValueError, OSError) as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return
    st.switch_page(page.link("run"), query_params={"run": run_id})


def settings(given: dict[str, Any], criterion: str, density: float, scope: str, exempt: list[str]) -> dict[str, Any]:
    """The settings of a run that cuts as on screen before it trains: those of the network, and the question's in place of its own."""
    kept = {name: value for name, value in given.items() if name not in _CUT}
    kept |= {"method": "osp", "pruner": criterion, "tau": sparsity.tau_of(1 - density), "scope": scope}
    return kept | ({"exempt": [name.removesuffix(".weight") for name in exempt]} if exempt else {})
