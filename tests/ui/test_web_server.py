"""Which addresses and pages the web server answers: the rule, and real requests to the real app."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import browser
import pytest

from appcore.ui.app import web_server


def headers(host: str | None, origin: str | None = None) -> list[tuple[bytes, bytes]]:
    found = [] if host is None else [(b"host", host.encode())]
    return found + ([(b"origin", origin.encode())] if origin is not None else [])


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of limits that names hosts."""
    path = tmp_path / "limits.toml"
    path.write_text('hosts = ["lab.example.org", "*.wild.example.org", "192.168.1.5", "[fd00::5]"]\n')
    monkeypatch.setenv("APPCORE_LIMITS", str(path))
    return path


LOCAL = ["localhost:8501", "localhost", "LOCALHOST:1", "localhost.:8501", "127.0.0.1:8501", "[::1]:8501", "[0:0:0:0:0:0:0:1]:8501"]
STRANGE = ["evil.example:8501", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.5:8501", "0.0.0.0:8501", "127.0.0.2"]
ODD = ["", "localhost@evil.example", "localhost/x", "localhost:x", "localhost:99999999", "[::1", "lo\u0441alhost", "127.1", "a b"]


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_is_answered(host: str) -> None:
    assert web_server.refusal(headers(host)) == ""
    assert web_server.refusal(headers(host, f"http://{host.lower()}")) == ""


@pytest.mark.parametrize("host", [*STRANGE, *ODD, None])
def test_other_addresses_are_refused_in_one_line(host: str | None) -> None:
    said = web_server.refusal(headers(host)) if host is None else web_server.refusal([(b"host", host.encode("utf-8"))])
    assert said.startswith("This app does not answer") and "\n" not in said


def test_two_hosts_are_none() -> None:
    assert web_server.refusal([(b"Host", b"localhost"), (b"host", b"localhost")])


def test_the_line_says_what_to_set() -> None:
    assert 'hosts = ["192.168.1.5"]' in web_server.refusal(headers("192.168.1.5:8501"))


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:8501", "file://", "", "http://localhost:8501/x"]
)
def test_a_page_of_another_address_is_refused(origin: str) -> None:
    assert "may not use this app" in web_server.refusal(headers("localhost:8501", origin))


def test_ports_that_go_without_saying() -> None:
    assert web_server.refusal(headers("localhost", "http://localhost:80")) == ""
    assert web_server.refusal(headers("localhost:443", "https://localhost")) == ""


@pytest.mark.parametrize("host", ["lab.example.org", "lab.example.org:443", "a.wild.example.org", "192.168.1.5:8501", "[fd00::5]:8501"])
def test_what_the_limits_name_is_answered(named: Path, host: str) -> None:
    assert web_server.refusal(headers(host)) == ""
    assert web_server.refusal(headers("127.0.0.1:8501", f"https://{host}")) == "", "a proxy that does not pass the host on"


@pytest.mark.parametrize("host", ["wild.example.org", "xlab.example.org", "lab.example.org.evil.example", "evil.example"])
def test_and_nothing_else(named: Path, host: str) -> None:
    assert web_server.refusal(headers(host))
    assert web_server.refusal(headers("localhost:8501", f"http://{host}"))


def test_limits_with_a_mistake_let_nobody_else_in(named: Path) -> None:
    named.write_text('hosts = ["http://lab.example.org"]\n')
    assert web_server.refusal(headers("lab.example.org"))
    assert web_server.refusal(headers("localhost")) == ""


# ---- real requests


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with browser.app(tmp_path_factory.mktemp("server")) as address:
        yield address


def answer(address: str, path: str, method: str = "GET", **sent: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.putrequest(method, path, skip_host="Host" in sent)
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders()
    found = connection.getresponse()
    return found.status, found.read().decode()


def upgrade(address: str, **sent: str) -> int:
    """The status of an attempt to open the websocket: 101 when it is open."""
    place = urlsplit(address)
    given = {"Host": place.netloc, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    given |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **sent}
    lines = ["GET /_stcore/stream HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.slow
def test_the_real_app_answers_its_own_address_alone(server: str) -> None:
    own = urlsplit(server).netloc
    port = own.rpartition(":")[2]
    assert answer(server, "/")[0] == 200 and "<html" in answer(server, "/run")[1]
    assert answer(server, "/_stcore/health", Host=f"localhost:{port}")[0] == 200
    for path in ("/", "/run", "/_stcore/health", "/_stcore/host-config", "/app/static/plotly.min.js", "/media/x", "/component/x"):
        status, said = answer(server, path, Host=f"evil.example:{port}")
        assert status == 403 and said.startswith("This app does not answer to the address evil.example"), path
    for method in ("PUT", "POST", "DELETE"):
        assert answer(server, "/_stcore/upload_file/a/b", method, Origin="http://evil.example")[0] == 403
    assert answer(server, "/_stcore/metrics")[0] == answer(server, "/_stcore/metrics?families=x")[0] == 404
    assert upgrade(server) == 101 and upgrade(server, Origin=server) == 101
    assert upgrade(server, Host=f"evil.example:{port}", Origin=f"http://evil.example:{port}") == 403
    assert upgrade(server, Host=f"evil.example:{port}") == 403
    for origin in ("http://localhost:9999", "null", "http://evil.example", f"http://localhost:{port}.evil.example"):
        assert upgrade(server, Origin=origin) == 403, origin


_ENDING = """
import asyncio, atexit, os, sys, threading
os.environ["STREAMLIT_SERVER_HEADLESS"] = "true"
from appcore.ui.app import web_server
atexit.register(print, "told the rest")
async def serve():
    async with web_server.lifespan(None):
        pass
asyncio.run(serve())
threading.Thread(target=threading.Event().wait, name=sys.argv[1], daemon=True).start()
"""


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "code"), [("appcore-computes", 1), ("somebody-else", 0)])
def test_a_server_ends_before_python_breaks_into_a_thread_that_computes(name: str, code: int, tmp_path: Path) -> None:
    """In torch's code that would abort the process. What was to be done at its end is done."""
    command, env = [sys.executable, "-c", _ENDING, name], os.environ | {"APPCORE_STORE": str(tmp_path / "store.db")}
    env.pop("PYTHONUNBUFFERED", None)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert (ended.returncode, ended.stdout) == (code, "told the rest\n"), ended.stderr
