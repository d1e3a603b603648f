"""Addresses of stores: whatever form one has, no message, log or report shows its password."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import browser
import pytest
import stores
from sqlalchemy import make_url

from appcore.errors import InputError
from appcore.storage.store import Store

WORD = "S3cretPw"
CLOSED = "127.0.0.1:9"  # nobody listens there; the same in every worker process of pytest
TAKEN = [  # forms that reach a server; "#" and "@" as %23 and %40
    f"postgresql://lab:{WORD}%23@{CLOSED}/db",
    f"postgresql://lab:{WORD}%40x@{CLOSED}/db",
    f"postgresql://{CLOSED}/db?user=lab&password={WORD}%23%25",
    f"postgresql://{CLOSED}/db?user=lab&password={WORD}+x",
    f"postgresql://lab@{CLOSED}/db?sslmode=require&sslpassword={WORD}",
    f"postgresql://lab@{CLOSED}/db?passfile=/home/{WORD}",
    f"postgresql://lab@{CLOSED}/db?options=-c%20x={WORD}",
    f"postgresql+psycopg://lab:{WORD}@{CLOSED}/db",
    f"postgresql:///db?host=127.0.0.1&port={CLOSED.partition(':')[2]}&password={WORD}",
    f"postgresql://lab:{WORD}@{CLOSED}/db?sslmode={WORD}",
    f"postgresql://lab:x@{CLOSED}/db?unheard={WORD}",
]
ODD = [  # taken for what they are not, or nothing that a driver takes
    f"postgresql://{CLOSED}/db;password={WORD}",
    f"postgresql://h;password={WORD}/db",
    f"postgresql:///db?port=abc&password={WORD}",
    f"postgresql:///db?host=h1&host=h2&port=1&port=2&port=3&password={WORD}",
]
REFUSED = [
    f"postgresql://lab:{WORD}@pw@{CLOSED}/db",
    f"postgresql://lab:{WORD}@p/w@{CLOSED}/db",
    f"postgresql://lab:pw@x/{WORD}@{CLOSED}/db",
    f"postgresql://lab:{WORD}@host:port/db",
    f"postgresql://lab:{WORD}@{CLOSED}",
    f"postgres://lab:{WORD}@{CLOSED}/db",
    f"mysql://lab:{WORD}@{CLOSED}/db",
    f"lab:{WORD}@host://db",
    f"a:{WORD}@h/db",
    f"lab:{WORD}@{CLOSED}/db",
    f"//lab:{WORD}@{CLOSED}/db",
    f"postgresql:/lab:{WORD}@{CLOSED}/db",
    f"host=127.0.0.1 port=1 dbname=db user=lab password={WORD}",
    f"dbname=db password = '{WORD}'",
    f"passfile=/home/{WORD} host=x",
    f"host=x password=a://{WORD}",
]


def forms(word: str) -> set[str]:
    return {word, word.lower(), word[:6]}


@pytest.mark.parametrize("address", TAKEN)
def test_a_server_that_is_not_reached_is_named_without_secrets(address: str) -> None:
    store = Store(address)
    with pytest.raises(InputError) as caught:
        store.runs()
    assert not [form for form in forms(WORD) if form in caught.value.message], caught.value.message
    assert "db" in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("address", ODD)
def test_what_fits_no_server_is_one_line_without_secrets(address: str) -> None:
    with pytest.raises(InputError) as caught:
        Store(address).runs()
    assert WORD not in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("address", REFUSED)
def test_forms_that_would_be_shown_are_refused(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        Store(address).runs()
    assert not [form for form in forms(WORD) if form in caught.value.message], caught.value.message
    assert "postgresql://USER:PASSWORD@HOST/DATABASE" in caught.value.message or "%40" in caught.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b.db", "x@y.db", "a=b.db", "user:x.db", "sub/host=x.db", "%40.db", "50%.db"])
def test_files_with_such_names_are_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Store(f"./{name}").runs() == [] and (tmp_path / name).exists()


@pytest.mark.parametrize(
    "verb", [["list"], ["doctor"], ["run", "--arch", "mlp", "--epochs", "1"], ["backup", "--to", "b.zip"], ["export", "2026", "--to", "x"]]
)
@pytest.mark.parametrize("address", [TAKEN[2], REFUSED[0], REFUSED[11]])
@pytest.mark.slow
def test_no_verb_shows_it_on_either_stream(verb: list[str], address: str, tmp_path: Path) -> None:
    environment = {**os.environ, "APPCORE_STORE": address, "APPCORE_RUNS": str(tmp_path / "runs")}
    done = subprocess.run(
        [sys.executable, "-m", "appcore", *verb],
        cwd=browser.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (1, 2) and not [form for form in forms(WORD) if form in done.stdout + done.stderr]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and WORD.encode() in path.read_bytes()]


@stores.NEEDS_SERVER
def test_a_wrong_password_is_not_repeated() -> None:
    url = make_url(stores.SERVER)
    for address in (
        url.set(username="nobody", password=WORD),
        url.set(password=None).update_query_dict({"user": "nobody", "password": WORD}),
    ):
        with pytest.raises(InputError) as caught:
            Store(address.render_as_string(hide_password=False)).runs()
        assert WORD not in caught.value.message
