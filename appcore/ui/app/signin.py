"""Sign-in for a shared server: on as soon as `.streamlit/secrets.toml` has a section [auth] (docs/SERVER.md). Only identifies users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from appcore import limits
from appcore.errors import InputError

from ..words import text


def is_on() -> bool:
    """Whether users must sign in. An unreadable secrets file stops the app rather than letting everybody in."""
    return any(Path(file).exists() for file in st.get_option("secrets.files")) and "auth" in st.secrets


def person() -> str | None:
    """The name under which this page's user owns runs; None before sign-in.

    The e-mail address in lower case, unless the provider marks it as unverified; else the provider's own id of the account.
    """
    if not st.user.get("is_logged_in"):
        return None
    mail = st.user.get("email")
    if isinstance(mail, str) and mail.strip() and st.user.get("email_verified") not in (False, "false"):
        return mail.strip().casefold()
    return f"account {st.user['sub']}"


def seen(manager: Any) -> Any:
    """The manager for this page's user: all runs without sign-in and for an admin, else only their own."""
    if not is_on():
        return manager
    who = person()
    if who is None:
        raise InputError("sign in first; reload this page", "user")
    admins = {name.casefold() for name in limits.load(manager.store.folder).admins}
    return manager.of(who, sees_all=who in admins)


def require() -> None:
    """Show only the sign-in button before sign-in; afterwards, the user's name and the sign-out button."""
    if not is_on():
        return
    who = person()
    if who is None:
        st.title("Pruning lab")
        st.markdown("Runs on this server belong to users: **sign in to see and start yours.**")
        st.button("Sign in", type="primary", icon=":material/login:", key="sign-in", on_click=_login)
        st.stop()
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="signed-in"):
        st.caption(f":material/person: {text.plain(who, 60)}", width="content")
        st.button("Sign out", icon=":material/logout:", type="tertiary", key="sign-out", on_click=st.logout)


def _login() -> None:
    try:
        st.login()
    except StreamlitAPIException as error:  # authlib is missing, or a key of [auth]
        st.error(text.harmless(str(error)), icon=":material/error:")
