"""What has changed since a run began, when it goes on: other data are refused, another machine or other software are noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..analysis.pairing import continued, require_same_data

if TYPE_CHECKING:
    from ..events import Started


def since_start(
    row: Mapping[str, Any], started: Started, versions: Mapping[str, Any], is_continued: bool
) -> tuple[Started, dict[str, Any], list[str]]:
    """(the event to record, versions to record, notes) for a run that enters its first segment here.

    `row`: as it was before; `versions`: those of this process; `is_continued`: from a checkpoint, so part of the run is done already. It
    then goes on with the data that it began with, or InputError; and a hash that its first part has not recorded says nothing of the whole.
    """
    before, notes = row["started"], []
    now = {**versions, "device": started.device}
    if not before:
        return started, now, [*started.notes]
    hashes = started.hashes
    if is_continued:
        require_same_data(row["dataset"], {**before, **before["hashes"]}, {**vars(started), **hashes})
        now = continued({"device": before["device"], **(row["versions"] or {})}, now)
        if "data" in hashes.keys() - before["hashes"].keys():
            notes.append("began with a version that kept no hash of the data: whether they are the same now could not be checked")
        hashes = {name: value for name, value in hashes.items() if name in before["hashes"]}
    changed = [name for name, value in hashes.items() if before["hashes"].get(name, value) != value]
    if changed:
        notes.append(f"data or initial weights differ from those that the run began with (hash of {', '.join(changed)})")
    if before["device"] != started.device:
        notes.append(f"began on {before['device']}, resumed on {started.device}: the last bits may differ")
    return replace(started, hashes=hashes), now, [*notes, *started.notes]
