"""The front door of a class, request by request: hosts, origins, sizes, types, cookies, and what is said to strangers."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import browser
import pytest
from asgi import Answer, request
from starlette.applications import Starlette

from appcore import limits
from appcore.errors import InputError
from appcore.service.manager import shared
from appcore.storage.store import Store
from appcore.ui.app import web_server
from appcore.ui.classroom import door, listener

ASKED = {"id": "l.c", "kind": "choice", "text": "<script>alert(1)</script>", "options": ["a", "</script><b>"], "sure": ["no", "yes"]}
GOOD = {"question": "l.c", "answer": {"option": 1, "sure": 0}}
HERE = "http://localhost:8501"


@pytest.fixture
def app() -> Iterator[Starlette]:
    for made in (door._door, door._limiter):
        made.cache_clear()
    yield Starlette(routes=door.routes(), middleware=web_server.MIDDLEWARE)
    shared().store.close()


@pytest.fixture
def store(app: Starlette) -> Store:
    return shared().store


@pytest.fixture
def code(store: Store) -> str:
    """The code of a class that has been asked something."""
    found = store.classes.open()
    store.classes.ask(found, ASKED)
    return found


def post(app: Starlette, code: str, what: str, sent: Any = None, **headers: str) -> Answer:
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return request(app, "POST", f"{HERE}/class/{code}/{what}", body=body, **{"content_type": "application/json", **headers})


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_phone_comes_in_answers_and_sees_the_truth(app: Starlette, store: Store, code: str) -> None:
    cookie = cookie_of(post(app, code.lower(), "join", {}))
    assert request(app, "GET", f"{HERE}/class/{code}/state", cookie=cookie).json() == {
        "revision": 1,
        "question": ASKED,
        "mine": None,
        "truth": None,
    }
    assert post(app, code, "answer", GOOD, cookie=cookie, origin=HERE).json() == {"mine": GOOD["answer"]}
    store.classes.reveal(code, "l.c", {"answer": 1, "why": "<i>"})
    late = post(app, code, "answer", GOOD, cookie=cookie)
    assert late.status == 400 and "shown already" in late.json()["error"]
    assert store.classes.answers(code, "l.c") == [GOOD["answer"]]


def test_the_cookie_is_random_short_lived_and_for_the_class_alone(app: Starlette, code: str) -> None:
    found = [post(app, code, "join", {}) for _ in range(2)]
    assert cookie_of(found[0]) != cookie_of(found[1])
    (kept,) = SimpleCookie(found[0].headers["set-cookie"]).values()
    assert (kept["path"], kept["samesite"], kept["httponly"], kept["max-age"], kept["secure"]) == ("/class", "lax", True, "86400", "")
    assert "set-cookie" not in post(app, code, "join", {}, cookie=cookie_of(found[0])).headers
    assert "set-cookie" not in request(app, "GET", f"{HERE}/class/{code}").headers
    for odd in ("class_phone=x", "class_phone=" + "a" * 4000, "class_phone=%00%00", 'class_phone="' + "é" * 22 + '"', "=;;="):
        assert "set-cookie" in post(app, code, "join", {}, cookie=odd).headers, "one that was not made here is not taken"


def test_over_tls_the_cookie_stays_there(app: Starlette, code: str) -> None:
    found = request(app, "POST", f"https://localhost/class/{code}/join", body=b"{}", content_type="application/json")
    assert "Secure" in found.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/class", "/class/BCDFGHJK", "/class/<b>"])
def test_the_page_is_the_same_for_every_code_and_runs_its_own_script_only(app: Starlette, path: str) -> None:
    found = request(app, "GET", HERE + path)
    assert found.status == 200 and found.body == request(app, "GET", f"{HERE}/class").body and len(found.body) < 30_000
    policy, text = found.headers["content-security-policy"], found.body.decode()
    for name in ("script", "style"):
        (part,) = re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
        assert f"{name}-src 'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none';") and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert found.headers["x-content-type-options"] == "nosniff" and found.headers["cache-control"] == "no-store"


def test_the_script_shows_text_as_text() -> None:
    script = (door._FOLDER / "phone.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|new Function|DOMParser", script)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 2000, "no JSON"),
        (b'{"question": "l.c", "answer": ' + b"9" * 1900 + b"}", ""),
        (b"x" * 2049, "2048 bytes at most"),
        (b'{"a": "' + b"x" * 100_000 + b'"}', "2048 bytes at most"),
        (None, "a question and an answer"),
        ([], "a question and an answer"),
        ({}, "a question and an answer"),
        ({**GOOD, "name": "Ada"}, "a question and an answer"),
        ({**GOOD, "question": ["l.c"]}, "a question and an answer"),
        ({**GOOD, "question": "<script>"}, "Another question"),
        ({**GOOD, "answer": {"option": "<script>", "sure": 0}}, "no answer to it"),
        ({**GOOD, "answer": {"option": 0, "sure": float("nan")}}, "no answer to it"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(app: Starlette, store: Store, code: str, sent: Any, says: str) -> None:
    cookie = cookie_of(post(app, code, "join", {}))
    found = post(app, code, "answer", sent, cookie=cookie)
    assert found.status == 400 and says in found.json()["error"] and "\n" not in found.json()["error"]
    assert "<" not in found.json()["error"] and store.classes.answers(code, "l.c") == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_types_that_any_page_may_send_are_not_taken(app: Starlette, store: Store, code: str, kind: str) -> None:
    cookie = cookie_of(post(app, code, "join", {}))
    assert "Only JSON" in post(app, code, "answer", GOOD, cookie=cookie, content_type=kind).json()["error"]
    assert store.classes.answers(code, "l.c") == []


def test_other_hosts_and_origins_get_nothing(app: Starlette, store: Store, code: str) -> None:
    cookie = cookie_of(post(app, code, "join", {}))
    for given in ({"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://localhost:9999"}):
        assert post(app, code, "answer", GOOD, cookie=cookie, **given).status == 403, given
        assert request(app, "GET", f"{HERE}/class", **given).status == 403, given
    assert store.classes.answers(code, "l.c") == []


def test_without_a_cookie_or_a_class_there_is_no_question(app: Starlette, code: str) -> None:
    assert request(app, "GET", f"{HERE}/class/{code}/state").status == 403
    for other in ("BCDFGHJK", "x", "a%00b", "%F0%9F%98%80", "..", "<b>"):
        found = request(app, "GET", f"{HERE}/class/{other}/state")
        assert found.status == 404 and "l.c" not in found.body.decode(), other
    assert request(app, "GET", f"{HERE}/class/{code}/answers").status == 404
    assert request(app, "GET", f"{HERE}/class/{code}/answer").status == request(app, "PUT", f"{HERE}/class/{code}/join").status == 405


def test_a_stranger_who_guesses_is_told_to_wait(app: Starlette, code: str) -> None:
    found = [post(app, "BCDFGHJK", "join", {}, client="10.0.0.9").status for _ in range(32)]
    assert found == [404] * 30 + [429] * 2
    assert post(app, code, "join", {}, client="10.0.0.9").status == 429 and post(app, code, "join", {}, client="10.0.0.8").status == 200


@pytest.mark.parametrize("since", ["0", "1", "-1", "x", "9" * 5000, "²", "1&since=0", ""])
def test_odd_revisions(app: Starlette, code: str, since: str) -> None:
    cookie = cookie_of(post(app, code, "join", {}))
    found = request(app, "GET", f"{HERE}/class/{code}/state?since={since}", cookie=cookie)
    assert found.status == 200 and ("question" in found.json()) == (since != "1")


# ---- where there are classes

LIMITS = {
    "": True,
    'class = "off"': False,
    'class = "on"': True,
    'hosts = ["lab.example.org"]': False,
    'hosts = ["lab.example.org"]\nclass = "on"': True,
    'hosts = ["lab.example.org"]\nclass = "off"': False,
    'hosts = ["lab.example.org"]\nclass_address = "192.168.1.5:8502"': True,
    'class_address = "192.168.1.5:8502"\nclass = "off"': False,
    'class = "maybe"': False,
    "class = true": False,
}


@pytest.mark.parametrize("text", LIMITS)
def test_off_unless_this_machine_alone_is_answered_or_the_limits_say_so(
    app: Starlette, code: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(text)
    monkeypatch.setenv("APPCORE_LIMITS", str(path))
    found = [request(app, "GET", f"{HERE}/class").status, post(app, code, "join", {}).status]
    assert found == ([200, 200] if LIMITS[text] else [404, 404]) and web_server.has_classes() is LIMITS[text]


def test_behind_a_sign_in_it_is_off_until_it_is_turned_on_and_then_needs_none(
    app: Starlette, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server.signin, "is_on", lambda: True)
    monkeypatch.setattr(web_server.st, "secrets", {"auth": {"redirect_uri": "https://lab.example.org/oauth2callback"}})
    assert post(app, code, "join", {}).status == 404
    (tmp_path / "limits.toml").write_text('class = "on"\n')
    monkeypatch.setenv("APPCORE_LIMITS", str(tmp_path / "limits.toml"))
    found = post(app, code, "join", {}, host="lab.example.org", origin="https://lab.example.org")
    assert found.status == 200


# ---- a port of its own


def test_the_own_port_answers_its_address_and_classes_alone(code: str) -> None:
    own = listener.app("192.168.1.5:8502")
    for path, status in {
        "/": 307,
        "/class": 200,
        f"/class/{code}/state": 403,
        "/run": 404,
        "/_stcore/health": 404,
        "/app/static/x": 404,
    }.items():
        assert request(own, "GET", f"http://192.168.1.5:8502{path}").status == status, path
        assert request(own, "GET", f"http://lab.example.org:8502{path}").status == 403, path
    assert request(own, "GET", "http://192.168.1.5:8502/").headers["location"] == "/class"
    found = request(own, "POST", f"http://192.168.1.5:8502/class/{code}/join", body=b"{}", content_type="application/json")
    assert found.status == 200 and "Path=/class;" in found.headers["set-cookie"]


def test_the_own_port_is_opened_once_and_says_why_it_cannot_be(code: str) -> None:
    address = f"127.0.0.1:{browser.free_port()}"
    listener.ensure(address)
    thread = listener._running[address]
    listener.ensure(address)
    assert listener._running[address] is thread
    for _ in range(100):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/class", timeout=5) as found:
            assert found.status == 200 and "server" not in found.headers
            break
        time.sleep(0.05)
    else:
        raise AssertionError("nobody answers")
    for other in ("192.0.2.1:8502", address.replace("127.0.0.1", "localhost")):
        with pytest.raises(InputError, match=r"class_address .*free port") as caught:
            listener.ensure(other)
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "text", ["192.168.1.5", "192.168.1.5:0", "192.168.1.5:x", "http://x:1", "0.0.0.0:8502", "*:8502", ":8502", "[::]:1"]
)
def test_addresses_that_phones_cannot_open_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="class_address"):
        limits.parse({"class_address": text})


def test_an_own_address_is_spelled_in_one_way() -> None:
    assert limits.parse({"class_address": "[FE80::1]:8502"}).class_address == "[fe80::1]:8502"
    assert limits.parse({"class_address": "Lab.Example.org:80"}).class_address == "lab.example.org:80"


# ---- the real app behind a sign-in

SECRETS = """
[auth]
redirect_uri = "{app}/oauth2callback"
cookie_secret = "a long random text that only this server knows"
client_id = "pruning-lab"
client_secret = "secret"
server_metadata_url = "http://127.0.0.1:9/.well-known/openid-configuration"
"""


@pytest.mark.slow
def test_the_real_app_lets_phones_in_behind_a_sign_in_and_shows_them_a_question_alone(tmp_path: Path) -> None:
    port = browser.free_port()
    address, secrets = f"http://127.0.0.1:{port}", tmp_path / "secrets.toml"
    secrets.write_text(SECRETS.format(app=address))
    (tmp_path / "limits.toml").write_text('class = "on"\n')
    store = Store(tmp_path / "runs.db")
    code = store.of("ada@example.org").classes.open()
    store.of("ada@example.org").classes.ask(code, ASKED)

    def sent(path: str, body: Any = None, **headers: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **headers}
        return urllib.request.urlopen(urllib.request.Request(f"{address}/class{path}", data, given), timeout=20)

    with browser.app(tmp_path, f"--secrets.files={secrets}", port=port):
        assert b"<script>" in sent(f"/{code}").read()
        cookie = sent(f"/{code}/join", {}).headers["Set-Cookie"].partition(";")[0]
        assert json.load(sent(f"/{code}/state", Cookie=cookie))["question"] == ASKED
        sent(f"/{code}/answer", GOOD, Cookie=cookie, Origin=address)
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                sent(f"/{code}/answer", GOOD, Cookie=cookie, **headers)
    assert store.of("ada@example.org").classes.answers(code, "l.c") == [GOOD["answer"]]
