"""Sign-in on a shared server: with a real OpenID provider on this machine, two people each see their own runs and an admin all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import browser
import fake_runs
import pytest

from appcore.errors import InputError
from appcore.storage.store import Store
from appcore.ui.app import signin

SECRETS = """
[auth]
redirect_uri = "{app}/oauth2callback"
cookie_secret = "a long random text that only this server knows"
client_id = "pruning-lab"
client_secret = "secret"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


# ---- who is who


class User(dict):
    """What `st.user` gives: the claims of the provider."""


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, None),
        ({"is_logged_in": False, "email": "me@x.org"}, None),
        ({"is_logged_in": True, "sub": "7", "email": " Me@X.org "}, "me@x.org"),
        ({"is_logged_in": True, "sub": "7", "email": "me@x.org", "email_verified": True}, "me@x.org"),
        ({"is_logged_in": True, "sub": "7", "email": "root@x.org", "email_verified": False}, "account 7"),
        ({"is_logged_in": True, "sub": "root@x.org", "email": ""}, "account root@x.org"),
        ({"is_logged_in": True, "sub": "7", "email": ["root@x.org"]}, "account 7"),
        *(({"is_logged_in": True, "sub": "7", "email": "me@x.org", "email_verified": said}, "me@x.org") for said in (True, "true")),
        *(
            ({"is_logged_in": True, "sub": "7", "email": "root@x.org", "email_verified": said}, "account 7")
            for said in (False, "false", "False", "no", "0", 0, 1, None, "", "yes", "True", [], [True])
        ),
    ],
)
def test_the_name_of_a_person(monkeypatch: pytest.MonkeyPatch, claims: dict, name: str | None) -> None:
    monkeypatch.setattr(signin, "st", SimpleNamespace(user=User(claims)))
    assert signin.person() == name


@pytest.mark.parametrize("name", ["Boss@X.org", " boss@x.org ", "BOSS@x.ORG"])
def test_capitals_do_not_matter(name: str) -> None:
    assert signin.same(name) == "boss@x.org"


def test_nor_how_accents_are_composed() -> None:
    assert {signin.same(name) for name in ("J\u00fcrgen@x.org", "Ju\u0308rgen@x.org", "J\u00dcRGEN@x.org", "JU\u0308RGEN@x.org")} == {
        "j\u00fcrgen@x.org"
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bo\u017fs@x.org", "boss@x.org"),
        ("\u212aim@x.org", "kim@x.org"),
        ("\u212aim@x.org", "Kim@x.org"),
        ("stra\u00dfe@x.org", "strasse@x.org"),
        ("STRA\u1e9eE@x.org", "strasse@x.org"),
        ("\u0130da@x.org", "ida@x.org"),
        ("\u0131da@x.org", "ida@x.org"),
        ("\ufb01n@x.org", "fin@x.org"),
        ("\uff42oss@x.org", "boss@x.org"),
        ("\u03c3\u03c2@x.org", "\u03c3\u03c3@x.org"),
        ("\u2126@x.org", "\u03c9@x.org"),
        ("\u0430da@x.org", "ada@x.org"),
    ],
)
def test_different_addresses_are_different_people(one: str, other: str) -> None:
    assert signin.same(one) != signin.same(other)


@pytest.mark.parametrize(
    ("admin", "user", "is_one"),
    [
        ("account AbC", {"sub": "AbC"}, True),
        (" account AbC ", {"sub": "AbC"}, True),
        ("account AbC", {"sub": "abc"}, False),
        ("Ada@Example.org", {"sub": "1", "email": "ada@example.org"}, True),
    ],
)
def test_an_admin_named_by_account_is_that_account_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, admin: str, user: dict[str, str], is_one: bool
) -> None:
    store = Store(tmp_path / "runs.db")
    (tmp_path / "limits.toml").write_text(f'admins = ["{admin}"]')
    monkeypatch.setattr(signin, "st", SimpleNamespace(user=User({"is_logged_in": True, **user})))
    monkeypatch.setattr(signin, "is_on", lambda: True)
    asked: list[bool] = []
    signin.seen(SimpleNamespace(store=store, of=lambda who, sees_all: asked.append(sees_all)))
    assert asked == [is_one]


class Part:
    """A manager with a part."""

    name = "inner"

    def __init__(self, part: Part | None = None):
        self.store = part

    def act(self, value: int) -> int:
        return value


CLAIMS = {"is_logged_in": True, "sub": "7", "email": "me@x.org", "iat": 1, "nonce": "a"}


def test_a_sign_out_ends_what_pages_hold_and_the_cookie_but_not_the_next_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "_lasting", {})
    left: list[bool] = []
    monkeypatch.setattr(signin, "st", SimpleNamespace(user=User(CLAIMS), logout=lambda: left.append(True)))
    held = signin.SignedIn(Part(Part()), signin.sign_in())
    act = held.store.act
    assert (act(5), held.name, held.act(3)) == (5, "inner", 3)
    signin._logout()
    assert left == [True] and signin.person() is None
    for use in (lambda: act(5), lambda: held.name, lambda: held.store):
        with pytest.raises(ValueError, match="you have signed out"):
            use()
    for other in ({"iat": 2}, {"nonce": "b"}, {"sub": "8"}):
        monkeypatch.setattr(signin.st, "user", User({**CLAIMS, **other}))
        assert signin.person() == "me@x.org"
    # Another process, or this one after a restart.
    monkeypatch.setattr(signin.st, "user", User({**CLAIMS, "tokens": object()}))
    monkeypatch.setattr(signin, "_lasting", {})
    assert signin.person() is None


def test_a_sign_out_holds_here_while_the_store_is_locked_and_is_recorded_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "_lasting", {})
    monkeypatch.setattr(signin, "st", SimpleNamespace(user=User(CLAIMS), logout=lambda: None, toast=lambda *_, **__: None))
    assert signin.person() == "me@x.org"
    with monkeypatch.context() as locked:
        locked.setattr("appcore.storage.kept.sign_outs.SignOuts.add", lambda *_: (_ for _ in ()).throw(InputError("locked")))
        signin._logout()
        assert signin.person() is None
    assert signin.person() is None and not signin._unrecorded
    assert Store().sign_outs.has(signin.sign_in())


def test_a_sign_out_is_remembered_as_long_as_its_cookie_could_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from appcore.storage.kept import sign_outs

    kept = Store().sign_outs
    kept.add("a" * 64)
    kept.add("a" * 64)
    assert kept.has("a" * 64) and not kept.has("b" * 64)
    now = sign_outs.time.time()
    monkeypatch.setattr(sign_outs.time, "time", lambda: now + sign_outs.KEPT_SECONDS + 1)
    kept.add("b" * 64)
    assert kept.has("b" * 64) and not kept.has("a" * 64)


def test_whoever_has_not_signed_in_gets_no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "is_on", lambda: True)
    monkeypatch.setattr(signin, "st", SimpleNamespace(user=User()))
    with pytest.raises(ValueError, match="sign in first"):
        signin.seen(SimpleNamespace())


def test_a_secrets_file_that_cannot_be_read_lets_nobody_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import streamlit as st
    from streamlit.runtime.secrets import secrets_singleton

    path = tmp_path / "secrets.toml"
    path.write_text("[auth\n")
    monkeypatch.setattr(signin.st, "get_option", lambda name: [str(path)])
    monkeypatch.setattr("streamlit.config.get_option", lambda name: [str(path)])
    secrets_singleton._reset()
    try:
        with pytest.raises(FileNotFoundError):
            signin.is_on()
    finally:
        secrets_singleton._reset()
    assert st is signin.st


# ---- in a browser


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The app with sign-in, its provider, and ada, ben and an admin who have accounts there."""
    provider = pytest.importorskip("oidc_provider_mock")
    port = browser.free_port()
    (tmp_path / "limits.toml").write_text('admins = ["Root@example.org"]\n')
    with provider.run_server_in_thread() as found:
        found = f"http://127.0.0.1:{found.server_port}"
        secrets = tmp_path / "secrets.toml"
        secrets.write_text(SECRETS.format(app=f"http://127.0.0.1:{port}", provider=found))
        with browser.app(tmp_path, f"--secrets.files={secrets}", port=port) as address:
            yield address


def sign_in(page: Any, address: str, mail: str) -> None:
    page.goto(address)
    page.locator(".st-key-sign-in button").click()
    page.locator("input[name=sub]").fill(mail)
    page.get_by_role("button", name="Authorize", exact=False).first.click()
    page.locator(".st-key-signed-in").wait_for()
    assert mail in page.locator(".st-key-signed-in").inner_text().replace("\u2060", "")  # which keeps it from being a link


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.filterwarnings("ignore")  # of the provider, which is not ours
@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")
def test_two_people_sign_in_and_see_their_own_runs_and_an_admin_all(server: str, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    store = Store(tmp_path / "runs.db")
    hers = fake_runs.write(store.of("ada@example.org"), title="run of Ada")
    his = fake_runs.write(store.of("ben@example.org"), title="run of Ben")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        pages = {}
        for name in ("ada", "ben", "root"):
            context = chromium.new_context(viewport={"width": 1440, "height": 900})
            context.set_default_timeout(browser.PATIENCE)
            pages[name] = context.new_page()
        # Before sign-in nothing is shown, on no page.
        pages["ada"].goto(f"{server}/run?run={hers}")
        pages["ada"].locator(".st-key-sign-in").wait_for()
        assert "run of Ada" not in pages["ada"].content()
        for name, page in pages.items():
            sign_in(page, server, f"{name}@example.org")
            seen = {"ada": ["run of Ada"], "ben": ["run of Ben"], "root": ["run of Ada", "run of Ben"]}[name]
            for title in seen:
                page.get_by_text(title).first.wait_for()
            for title in {"run of Ada", "run of Ben"} - set(seen):
                assert page.get_by_text(title).count() == 0, (name, title)
        pages["ben"].goto(f"{server}/run?run={hers}")
        pages["ben"].get_by_text("This run cannot be shown").wait_for()
        pages["ben"].goto(f"{server}/run?run={his}")
        pages["ben"].get_by_role("heading", name="run of Ben").wait_for()
        # What somebody starts is theirs.
        pages["ada"].locator(".st-key-start button").click()
        pages["ada"].wait_for_url("**/compare?runs=*")
        started = [row for row in store.runs() if row["run_id"] not in (hers, his)]
        assert {row["owner"] for row in started} == {"ada@example.org"}
        pages["ada"].goto(server)
        sign_out = pages["ada"].locator(".st-key-sign-out button")
        browser.insist(pages["ada"], sign_out.click, "() => location.pathname === '/oauth2/end_session'")  # there too?
        pages["ada"].goto(server)
        pages["ada"].locator(".st-key-sign-in").wait_for()
        assert "run of Ada" not in pages["ada"].content()
        chromium.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")
def test_a_sign_out_ends_the_other_tab_and_the_old_cookie(server: str, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    store = Store(tmp_path / "runs.db")
    fake_runs.write(store.of("ada@example.org"), title="run of Ada")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=list(browser.ARGUMENTS))
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(browser.PATIENCE)
        first, second = context.new_page(), context.new_page()
        sign_in(first, server, "ada@example.org")
        second.goto(server)
        second.get_by_text("run of Ada").first.wait_for()
        cookies = context.cookies()
        first.locator(".st-key-sign-out button").click()
        first.wait_for_url("**/oauth2/end_session*")
        # The other tab was not reloaded: what it does now is refused, and nothing is started.
        second.locator(".st-key-start button").click()
        second.get_by_text("sign in").first.wait_for()
        assert len(store.runs()) == 1
        # The cookie as it was, in a fresh browser, also after a restart of the app.
        other = chromium.new_context()
        other.set_default_timeout(browser.PATIENCE)
        other.add_cookies(cookies)
        third = other.new_page()
        third.goto(server)
        third.locator(".st-key-sign-in").wait_for()
        assert "run of Ada" not in third.content()
        # The next sign-in of the same user is another one.
        fresh = chromium.new_context()
        fresh.set_default_timeout(browser.PATIENCE)
        fourth = fresh.new_page()
        sign_in(fourth, server, "ada@example.org")
        fourth.get_by_text("run of Ada").first.wait_for()
        chromium.close()
