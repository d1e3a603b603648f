"""What stands around Streamlit's web server: which addresses and pages it answers, and what happens when it begins and ends.

A stranger's page whose name its owner points at this machine (DNS rebinding) could else drive the app of whoever opens it.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import threading
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware

from appcore import limits

from . import signin

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_CLOSED = "/_stcore/metrics"  # sizes of caches, numbers of sessions: nobody's business, and nobody needs it here
_PORTS = {"http": 80, "https": 443}
_REMEDY = "see docs/SERVER.md, Addresses"
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Addresses:
    """ASGI: passes on what is addressed to this server, by a page of its own; refuses the rest in one line."""

    def __init__(self, app: Callable[[_Message, _Receive, _Send], Awaitable[None]], named: Callable[[], frozenset[str]] | None = None):
        self._app, self._named = app, named or allowed

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        problem = refusal(scope["headers"], self._named()) if scope["type"] in ("http", "websocket") else ""
        if problem and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif problem:
            await _answer(send, 403, problem)
        elif scope["type"] == "http" and scope["path"].endswith(_CLOSED):
            await _answer(send, 404, "There is nothing here.")
        else:
            await self._app(scope, receive, send)


async def _answer(send: _Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})


def refusal(headers: list[tuple[bytes, bytes]], named: frozenset[str] | None = None) -> str:
    """Why a request with these headers gets no answer: one line with the remedy. Empty when it gets one. `named`: other hosts than this
    machine's own names that are answered, by default those of the settings."""
    hosts = [value.decode("latin-1") for name, value in headers if name.lower() == b"host"]
    origins = [value.decode("latin-1") for name, value in headers if name.lower() == b"origin"]
    named = allowed() if named is None else named
    host = _place(f"http://{hosts[0]}") if len(hosts) == 1 else None
    if host is None:
        return "This app does not answer to that address."
    if not _is_in(host[0], LOCAL | named):
        remedy = f'whoever runs it can add hosts = ["{host[0]}"] to its limits.toml, {_REMEDY}'
        return f"This app does not answer to the address {host[0]}: {remedy}."
    for text in origins:
        origin = _place(text)
        if origin is None or not (_is_same(origin, host, text) or _is_in(origin[0], named)):
            return f"A page of another address may not use this app: whoever runs it can name it in hosts of limits.toml, {_REMEDY}."
    return ""


def allowed() -> frozenset[str]:
    """Names that the settings give to this server: `hosts` of the limits, and where the sign-in leads back to."""
    found: set[str] = set()
    with suppress(ValueError):  # a file of limits with a mistake allows nothing
        found |= set(limits.load().hosts)
    with suppress(OSError, KeyError, ValueError):  # a secrets file that cannot be read stops the app elsewhere
        if signin.is_on():
            found.add(urlsplit(st.secrets["auth"]["redirect_uri"]).hostname or "")
    return frozenset(found)


def has_classes() -> bool:
    """Whether teachers may open classes here: as the limits say, else where no address but this machine's is answered."""
    try:
        found = limits.load()
    except ValueError:  # a file of limits with a mistake lets nobody in
        return False
    return found.classes == "on" or (found.classes is None and (found.class_address is not None or allowed() <= LOCAL))


def _place(address: str) -> tuple[str, int | None] | None:
    """(host, port) of an address without a path; None for anything else."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        with suppress(ValueError):
            host = str(ipaddress.ip_address(host))
    except ValueError:
        return None
    is_plain = bool(host) and all(letter.isascii() and (letter.isalnum() or letter in "-._:") for letter in host)
    return (host, port) if is_plain and not set("/?#@\\") & set(address.partition("://")[2]) else None


def _is_in(host: str, names: frozenset[str]) -> bool:
    return host in names or any(name.startswith("*.") and host.endswith(name[1:]) for name in names)


def _is_same(origin: tuple[str, int | None], host: tuple[str, int | None], text: str) -> bool:
    """Whether a page belongs to the address that it asks; a port that goes without saying may be said. Its scheme is a proxy's matter."""
    usual = _PORTS.get(text.partition(":")[0])
    return usual is not None and origin[0] == host[0] and (origin[1] or usual) == (host[1] or usual)


# ---- begin and end


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Open a browser as `streamlit run` does; at the end stop all runs of this process, resumable, before a signal ends it."""
    if not st.get_option("server.headless"):
        place = st.get_option("server.address")
        place = "localhost" if place in (None, "0.0.0.0", "::") else place
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        address = f"{scheme}://{place}:{st.get_option('server.port')}/{st.get_option('server.baseUrlPath').strip('/')}"
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    atexit.register(_leave)
    try:
        yield
    finally:
        from appcore.service import manager

        manager.shared().close()


def _leave() -> None:
    """Last of all: end the process here where a thread of ours goes on. Python's own end would break into torch's code, which aborts."""
    if any(thread.daemon and thread.name.startswith("appcore-") for thread in threading.enumerate()):
        atexit.unregister(_leave)
        atexit._run_exitfuncs()  # what was registered before
        with suppress(OSError, ValueError):  # nobody reads any more
            print(end="", flush=True)
        os._exit(1)  # as Streamlit ends after a signal


MIDDLEWARE = [Middleware(Addresses)]
