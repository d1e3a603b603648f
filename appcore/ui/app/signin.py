"""Sign-in for a shared server: on as soon as `.streamlit/secrets.toml` has a section [auth] (docs/SERVER.md). Only identifies users."""

from __future__ import annotations

import functools
import hashlib
import json
import time
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from appcore import limits
from appcore.errors import InputError

from ..words import text

_FRESH_SECONDS = 1.0  # how old an answer to "has this sign-in ended?" may be
_ACCOUNT = "account "  # before the provider's own id
_unrecorded: set[str] = set()  # sign-ins that have ended while the store could not be written
_lasting: dict[str, float] = {}  # sign-ins that had not ended, and when that was asked


def is_on() -> bool:
    """Whether users must sign in. An unreadable secrets file stops the app rather than letting everybody in."""
    return any(Path(file).exists() for file in st.get_option("secrets.files")) and "auth" in st.secrets


def person() -> str | None:
    """The name under which this page's user owns runs; None before sign-in and after sign-out.

    The e-mail address, unless the provider says anything but that it is verified; else the provider's own id of the account.
    """
    if not st.user.get("is_logged_in") or has_ended(sign_in()):
        return None
    mail, verified = st.user.get("email"), st.user.get("email_verified", True)
    if isinstance(mail, str) and mail.strip() and (verified is True or verified == "true"):
        return same(mail)
    return f"{_ACCOUNT}{st.user['sub']}"


def same(name: str) -> str:
    """The one spelling of a name that may be written in several: without spaces around it, small letters, NFC.

    A letter is made small only where its small letter has it as its capital again. So KELVIN SIGN, long s and sharp s stay what they are:
    str.casefold would make two people one whose addresses differ. Before NFC, which would turn KELVIN SIGN into a K.
    """
    small = (letter.lower() if letter.lower().upper() == letter else letter for letter in name.strip())
    return unicodedata.normalize("NFC", "".join(small))


def _spelled(name: str) -> str:
    """The name of an admin as `person` gives it: a provider's own id of an account is another one with other capitals."""
    return name.strip() if name.strip().startswith(_ACCOUNT) else same(name)


# ---- one sign-in, from the provider's answer to the sign-out


def sign_in() -> str:
    """A digest of this page's sign-in: of all that the provider said, the time and its number included. Empty where it gave neither."""
    claims = {name: value for name, value in dict(st.user).items() if name != "tokens"}
    if not {"iat", "nonce"} & set(claims):
        return ""  # this sign-in looks like the next one of the same user, who could not come in again
    return hashlib.sha256(json.dumps(claims, sort_keys=True, default=str).encode()).hexdigest()


def has_ended(digest: str) -> bool:
    """Whether its user has signed out of a sign-in, in any tab; its cookie could still be shown."""
    if not digest:
        return False
    if digest in _unrecorded:
        with suppress(ValueError):
            _store().sign_outs.add(digest)
            _unrecorded.discard(digest)
        return True
    if time.monotonic() - _lasting.get(digest, -_FRESH_SECONDS) >= _FRESH_SECONDS:
        _lasting.pop(digest, None)
        if _store().sign_outs.has(digest):
            return True
        _lasting[digest] = time.monotonic()
    return False


def _store() -> Any:
    from appcore.service import manager

    return manager.shared().store


class SignedIn:
    """A manager, or a part of one, for as long as its user is signed in: every use of it asks first.

    Pages hand it to buttons and downloads, which are pressed later, perhaps in a tab that has not heard of the sign-out.
    """

    def __init__(self, inner: Any, digest: str):
        self._inner, self._digest = inner, digest

    def __getattr__(self, name: str) -> Any:
        self._check()
        found = getattr(self._inner, name)
        if name in ("store", "ablations", "exports", "classes", "machine"):
            return SignedIn(found, self._digest)
        return self._checked(found) if callable(found) else found

    def _checked(self, call: Any) -> Any:
        @functools.wraps(call)
        def checked(*arguments: Any, **named: Any) -> Any:
            self._check()
            return call(*arguments, **named)

        return checked

    def _check(self) -> None:
        if has_ended(self._digest):
            raise InputError("you have signed out; reload this page to sign in again", "user")


def seen(manager: Any) -> Any:
    """The manager for this page's user: all runs without sign-in and for an admin, else only their own."""
    if not is_on():
        return manager
    who = person()
    if who is None:
        raise InputError("sign in first; reload this page", "user")
    admins = {_spelled(name) for name in limits.load(manager.store.folder).admins}
    return SignedIn(manager.of(who, sees_all=who in admins), sign_in())


# ---- on the page


def require() -> None:
    """Show only the sign-in button before sign-in; afterwards, the user's name and the sign-out button."""
    if not is_on():
        return
    try:
        who = person()
    except ValueError as error:  # a locked or broken store, which also knows who has signed out
        st.error(text.harmless(error), icon=":material/error:")
        st.stop()
    if who is None:
        st.title("Pruning lab")
        st.markdown("Runs on this server belong to users: **sign in to see and start yours.**")
        st.button("Sign in", type="primary", icon=":material/login:", key="sign-in", on_click=_login)
        st.stop()
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="signed-in"):
        st.caption(f":material/person: {text.plain(who, 60)}", width="content")
        st.button("Sign out", icon=":material/logout:", type="tertiary", key="sign-out", on_click=_logout)


def _login() -> None:
    try:
        st.login()
    except StreamlitAPIException as error:  # authlib is missing, or a key of [auth]
        st.error(text.harmless(error), icon=":material/error:")


def _logout() -> None:
    digest = sign_in()
    if digest:
        _lasting.pop(digest, None)
        try:
            _store().sign_outs.add(digest)
        except ValueError as error:  # a locked store: the cookie of this browser goes all the same, and this server knows of it
            _unrecorded.add(digest)
            st.toast(text.harmless(error), icon=":material/error:")
    st.logout()
