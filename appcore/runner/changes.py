"""What has changed since a run began, when it goes on: other data are refused, another machine or other software are noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..analysis.pairing import continued, require_same_data

if TYPE_CHECKING:
    from ..events import Started


def since_start(
    row: Mapping[str, Any], started: Started, versions: Mapping[str, Any], is_continued: bool
) -> tuple[dict[str, Any], list[str]]:
    """(versions to record, notes) for a run that enters its first segment here. InputError where it goes on from a checkpoint and the data
    are not those that it began with.

    `row`: as it was before; `versions`: those of this process; `is_continued`: from a checkpoint, so part of the run is done already.
    """
    before, notes = row["started"], []
    now = {**versions, "device": started.device}
    if not before:
        return now, [*started.notes]
    if is_continued:
        require_same_data(row["dataset"], {**before, **before["hashes"]}, {**vars(started), **started.hashes})
        now = continued({"device": before["device"], **(row["versions"] or {})}, now)
    changed = [name for name, value in started.hashes.items() if before["hashes"].get(name, value) != value]
    if changed:
        notes.append(f"data or initial weights differ from those that the run began with (hash of {', '.join(changed)})")
    if is_continued and "data" in started.hashes.keys() - before["hashes"].keys():
        notes.append("began with a version that kept no hash of the data: whether they are the same now could not be checked")
    if before["device"] != started.device:
        notes.append(f"began on {before['device']}, resumed on {started.device}: the last bits may differ")
    return now, [*notes, *started.notes]
