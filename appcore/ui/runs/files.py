"""Files of the Runs page: downloads of the picked runs, and the import of a bundle or of settings. Importing executes no code."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from appcore import __version__
from appcore.config import build, completed
from appcore.errors import InputError
from appcore.storage.store import Store
from appcore.transfer import bundle_export, bundle_set, html_report, tables

from ..app import page
from ..widgets import download
from ..widgets.run_picker import MOST

MOST_MEGABYTES = 1024
MOST_SETTINGS = 5 * 2**20  # bytes
_RECORD = 30  # settings: so many are no handful that somebody wrote but all that a run recorded, perhaps one of an earlier version
_Runs = Sequence[dict[str, Any]]


def _packed_tables(store: Store, ids: list[str], kind: str) -> bytes:
    return tables.packed(tables.tables(store, ids), kind)


def downloads(runs: _Runs) -> None:
    """Buttons whose files are made when they are pressed."""
    ids = [run["run_id"] for run in runs]
    name = ids[0] if len(ids) == 1 else f"{len(ids)}-runs"
    many = len(ids) > 1
    store = page.store()  # here: the callback of a button no longer knows the user
    download.button(
        "Bundles" if many else "Bundle",
        lambda: _bundles(store, ids),
        f"{name}-bundles.zip" if many else f"{name}.zip",
        "application/zip",
        icon=":material/inventory_2:",
        key="get-bundle",
        help="Settings, every number, masks and the newest checkpoint, for another store. No pickle.",
        width="stretch",
    )
    for kind, label in (("csv", "Tables as CSV"), ("parquet", "Tables as Parquet")):
        download.button(
            label,
            partial(_packed_tables, store, ids, kind),
            f"{name}-{kind}.zip",
            "application/zip",
            icon=":material/table:",
            key=f"get-{kind}",
            help="Runs, epochs, megabatches, prune points and layers; megabatches count from 1",
            width="stretch",
        )
    download.button(
        "Report (HTML)",
        lambda: _report(store, ids[:MOST]).encode(),
        f"{name}.html",
        "text/html",
        icon=":material/article:",
        key="get-report",
        disabled=len(ids) > MOST,
        help=f"One file with interactive charts, settings, hashes and versions; opens without a network. Up to {MOST} runs.",
        width="stretch",
    )
    if not many:
        text = json.dumps(runs[0]["config"], indent=1)
        st.download_button(
            "Settings (JSON)",
            text,
            f"{name}.json",
            "application/json",
            icon=":material/settings:",
            key="get-settings",
            on_click="ignore",
            width="stretch",
        )


def _bundles(store: Any, run_ids: Sequence[str]) -> bytes:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for run_id in run_ids:
            remarks: list[str] = []
            path = Path(bundle_export.export(store, run_id, Path(folder) / run_id, remarks.append)[-1])
            if path.suffix != ".zip":
                raise InputError(f"run {run_id}: {remarks[-1]}", "file")
            found[path.name] = path.read_bytes()
    if len(found) == 1:
        return next(iter(found.values()))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in found.items():
            file.writestr(name, data)
    return target.getvalue()


def _report(store: Any, run_ids: Sequence[str]) -> str:
    from plotly.offline import get_plotlyjs

    tables_of = (store.epochs, store.megabatches, store.prunes, store.layers, store.rounds)
    data = html_report.Data(*(read(run_ids) for read in tables_of))
    made = f"made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    runs = [store.get(run_id) for run_id in run_ids]
    return html_report.report(runs, data, script=get_plotlyjs(), made=made, program=f"appcore {__version__}")


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
                st.session_state["form"] = {"overrides": settings(file.getvalue()), "preset": "quick"}
                st.session_state["_runs_goto_form"] = True
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
