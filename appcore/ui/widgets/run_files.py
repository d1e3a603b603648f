"""Buttons that download what is recorded of some runs: bundles, tables, a report, settings."""

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
from appcore.errors import InputError
from appcore.storage.store import Store
from appcore.transfer import bundle_export, html_report, tables

from ..app import page
from . import download
from .run_picker import MOST

Runs = Sequence[dict[str, Any]]


def _packed_tables(store: Store, ids: list[str], kind: str) -> bytes:
    return tables.packed(tables.tables(store, ids), kind)


def downloads(runs: Runs) -> None:
    """Buttons whose files are made when they are pressed."""
    ids = [run["run_id"] for run in runs]
    name = ids[0] if len(ids) == 1 else f"{len(ids)}-runs"
    many = len(ids) > 1
    store = page.store()  # here: the callback of a button no longer knows the user
    for light, key, more, about in (
        (False, "get-bundle", "", "Settings, every number, masks and the newest checkpoint, for another store. No pickle."),
        (True, "get-light-bundle", ", light (no weights)", "As the bundle, without the weights: a tenth of its size or less."),
    ):
        download.button(
            ("Bundles" if many else "Bundle") + more,
            partial(_bundles, store, ids, light=light),
            f"{name}{'-light' if light else ''}{'-bundles' if many else ''}.zip",
            "application/zip",
            icon=":material/inventory_2:",
            key=key,
            help=about,
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


def _bundles(store: Any, run_ids: Sequence[str], *, light: bool = False) -> bytes:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for run_id in run_ids:
            remarks: list[str] = []
            path = Path(bundle_export.export(store, run_id, Path(folder) / run_id, remarks.append, light=light)[-1])
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
