"""Starting runs: their costs beforehand, and the start itself."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

import streamlit as st

from appcore import plugins
from appcore.config import RunConfig

from ..app import page
from ..words import format
from ..words.number_columns import metric
from ..words.run_text import title
from ..words.text import harmless

PAIR = ({"pruner": "snip"}, {"pruner": "magnitude"})


def start(configs: Sequence[dict[str, Any]], launcher: str = plugins.DEFAULT_LAUNCHER) -> None:
    """Start runs together and open their page: Run for one, Compare for several. Pressed twice, it starts them once."""
    token = st.session_state.setdefault("_start_token", secrets.token_hex(8)) + json.dumps(configs, sort_keys=True)
    try:
        titles = [title(config) for config in configs]
        run_ids = page.manager().start([dict(config) for config in configs], launcher=launcher, titles=titles, token=token)
    except (ValueError, OSError) as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return
    if len(run_ids) == 1:
        st.switch_page(page.link("run"), query_params={"run": run_ids[0]})
    st.switch_page(page.link("compare"), query_params={"runs": ",".join(run_ids)})


def costs(config: RunConfig | None) -> None:
    """Images, FLOPs, time and memory that the settings will take."""
    with st.skeleton(height=120):  # as high as the numbers that will replace it, so that nothing jumps
        values, note = _costs(config)
        with st.container(gap="xsmall"):
            with st.grid(4, min_column_width=120, gap="small"):
                for name, value in zip(("samples_seen", "train_flops_dense", "seconds", "peak_memory_bytes"), values):
                    metric(name, value)
            st.caption(note)


def _costs(config: RunConfig | None) -> tuple[tuple[str, ...], str]:
    nothing = ("–",) * 4
    if config is None:
        return nothing, "The cost appears when all settings are possible."
    try:
        found = page.manager().estimate(config.model_dump(mode="json"))
    except ValueError as error:
        return nothing, f":red[:material/error: {harmless(str(error))}]"
    time = "–" if found["seconds"] is None else f"≈ {format.about(found['seconds'])}"
    values = (format.count(found["samples"]), format.flops(found["training_flops"]), time, f"≈ {format.size(found['memory_bytes'])}")
    return values, f"Repeats of images counted; dense FLOPs; {format.how_timed(found)}."
