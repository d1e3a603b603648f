"""Files into the Runs page: the import of a bundle or of settings. Importing executes no code."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from appcore.config import build, completed
from appcore.planning import address
from appcore.transfer import bundle_set

from ..app import page

MOST_MEGABYTES = 1024
MOST_SETTINGS = 5 * 2**20  # bytes
_RECORD = 30  # settings: so many are no handful that somebody wrote but all that a run recorded, perhaps one of an earlier version


def importer() -> None:
    """The upload field, with the results of the last upload below it."""
    turn = st.session_state.setdefault("_import_turn", 0)  # a new key empties the field
    st.file_uploader(
        "Bundles (.zip) or settings (.json)",
        type=["zip", "json"],
        accept_multiple_files=True,
        key=f"import-{turn}",
        on_change=_take_in,
        args=(f"import-{turn}",),
        max_upload_size=MOST_MEGABYTES,
    )
    st.caption("A bundle adds its run to this store. Settings fill the form of the page Run. Nothing is executed.")


def _take_in(key: str) -> None:
    """Import the uploaded files, and remember the messages and the page to open."""
    said: list[tuple[str, str]] = []
    run_ids: list[str] = []
    for file in st.session_state[key] or []:
        try:
            if file.name.lower().endswith(".json"):
                st.session_state["_runs_goto_form"] = address.of_run(build(settings(file.getvalue())).model_dump(mode="json"))
            else:
                run_ids += _bundle(file)
                said.append(("done", f"{file.name}: imported"))
        except ValueError as error:
            said.append(("error", f"{file.name}: {error}"))
    if run_ids:
        st.query_params["runs"] = ",".join(run_ids)
        st.session_state.pop("_default_rows", None)
    st.session_state["_import_said"] = said
    st.session_state["_import_turn"] += 1


def settings(data: bytes) -> dict[str, Any]:
    """Settings from a JSON file: a configuration, or an object with one as `config`. ValueError in one line for anything else."""
    if len(data) > MOST_SETTINGS:
        raise ValueError(f"settings of {len(data):,} bytes are too long; {MOST_SETTINGS:,} are more than enough")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("this is no JSON text; export settings on the page Runs to see how they look") from None
    found = found.get("config", found) if isinstance(found, dict) else found
    if not isinstance(found, dict):
        raise ValueError('settings are a JSON object such as {"method": "app", "seed": 1}')
    found = completed(found) if len(found) >= _RECORD else found
    build(found)
    return found


def _bundle(file: Any) -> list[str]:
    """The ids of the runs of a bundle, or of a zip of bundles as this page makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(file.getvalue())
        found = [_imported(part, name) for name, part in bundle_set.parts(path, Path(folder))]
        return found or [_imported(path, file.name)]


def _imported(path: Path, name: str) -> str:
    try:
        return page.manager().import_bundle(path)
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), name)) from None
