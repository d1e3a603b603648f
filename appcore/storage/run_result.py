"""The result of a run as one JSON object: the public contract of `run --json` and of exports."""

from __future__ import annotations

from typing import Any

from ..analysis import forgetting
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
        "forgetting": _forgetting(store, row["run_id"]),
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


def _forgetting(store: Store, run_id: str) -> dict[str, Any]:
    """What is still known of earlier megabatches: the measures (None before the second end), `parts`, the accuracy on the images of each
    megabatch from its own end on (`of`: test, images of its classes, or train, images that it brought), and `classes`, where they come one
    after another that of each on its test images at every end."""
    ends = store.megabatches(run_id)
    parts, classes = forgetting.on_parts(ends, run_id), forgetting.on_classes(ends, run_id)
    values = forgetting.measured(parts)
    return {
        "average_forgetting": values and values.average_forgetting,
        "backward_transfer": values and values.backward_transfer,
        "of": "train" if classes.empty else "test",
        "parts": {str(part + 1): mine["accuracy"].tolist() for part, mine in parts.groupby("part")},
        "classes": {name: mine["accuracy"].tolist() for name, mine in classes.groupby("name", sort=False)},
    }


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
