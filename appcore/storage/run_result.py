"""The result of a run as one JSON object: the public contract of `run --json` and of exports."""

from __future__ import annotations

from typing import Any

from ..analysis.measures import MEASURES, OF_MEGABATCH, OF_RUN, fraction_kept
from .store import Store

_TOTALS = (*OF_RUN, "weights_hash")


def result(store: Store, run_id: str) -> dict[str, Any]:
    """Settings, pairing hashes, finished megabatches (counted from 1) and totals; of an unfinished run, what it has so far."""
    row = store.get(run_id)
    found = _megabatches(store, row["run_id"])
    totals = row["totals"] or _totals_so_far(found)
    return {
        "run_id": row["run_id"],
        "status": row["status"],
        "config": row["config"],
        "hashes": row["hashes"] or {},
        "megabatches": found,
        "totals": {name: totals.get(name) for name in _TOTALS},
        "error": row["error"],
        "notes": row["notes"] or [],
    }


def _megabatches(store: Store, run_id: str) -> list[dict[str, Any]]:
    layers = store.layers(run_id)
    ends = layers[layers["point"] == "end"].assign(density=fraction_kept)
    densities = {segment: dict(zip(group["layer"], group["density"].tolist())) for segment, group in ends.groupby("segment")}
    return [
        {
            "megabatch": row["megabatch"] + 1,
            **{name: _known(name, row[name]) for name in OF_MEGABATCH},
            "layers": densities.get(row["segment"], {}),
        }
        for row in store.megabatches(run_id).to_dict("records")
    ]


def _known(name: str, value: Any) -> Any:
    """A number as JSON takes it; None where an earlier version did not record it."""
    if value is None or value != value:
        return None
    return int(value) if MEASURES[name].is_count else value


def _totals_so_far(megabatches: list[dict[str, Any]]) -> dict[str, Any]:
    """Totals before the end: time and errors of the finished megabatches."""
    if not megabatches:
        return {}
    last, seconds = megabatches[-1], sum(row["seconds"] for row in megabatches)
    return {
        "seconds": seconds,
        "cer": last["cer"],
        "cumulative_parameters": last["cumulative_parameters"],
        "images_per_second": last["samples_seen"] / seconds if seconds else None,
    }
