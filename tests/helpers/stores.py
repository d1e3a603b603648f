"""Stores of every kind for tests: an SQLite file, and a database of its own on the PostgreSQL server that APPCORE_TEST_POSTGRES names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

SERVER = os.environ.get("APPCORE_TEST_POSTGRES", "")
NEEDS_SERVER = pytest.mark.skipif(not SERVER, reason="needs APPCORE_TEST_POSTGRES, the URL of a PostgreSQL server; .ci/run starts one")
KINDS = ["sqlite", pytest.param("postgresql", marks=NEEDS_SERVER)]


def address(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty store of a kind, which is gone at the end."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'runs' / 'appcore.db'}"
        return
    monkeypatch.setenv("APPCORE_RUNS", str(tmp_path / "runs"))
    name = f"test_{secrets.token_hex(6)}"
    engine = create_engine(make_url(SERVER).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))  # whatever a trainer thread or a worker still holds
        engine.dispose()


@pytest.fixture(params=KINDS)
def any_address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty store, once for each kind."""
    yield from address(request.param, tmp_path, monkeypatch)
