"""The front door for phones: one small page without Streamlit, and three requests. It knows the question that is asked, and no run.

Behind sign-in too, because nothing else can be reached by it. Hosts and origins are judged before, as for all requests (web_server.py).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import anyio
import streamlit as st
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from appcore.errors import InputError
from appcore.service import classroom

from ..app import web_server

MOST_BYTES = 2048  # of what a phone sends
PATH = "class"  # of the address
_COOKIE, _COOKIE_BYTES, _DAY = "class_phone", 16, 86_400
_THREADS = 4  # a locked store holds up these, and nobody's page
_STATUS = {classroom.NoClassError: 404, classroom.NotInError: 403, classroom.TooOftenError: 429}
_FOLDER = Path(__file__).parent
_Answer = Callable[[Request, str, Any], dict[str, Any]]


def routes(base: str | None = None) -> list[BaseRoute]:
    """What the web server answers besides Streamlit, by default below the app's own address."""
    base = base or _base()
    return [
        Route(base, _page, methods=["GET"]),
        Route(f"{base}/{{code}}", _page, methods=["GET"]),
        Route(f"{base}/{{code}}/join", partial(_answered, _join), methods=["POST"]),
        Route(f"{base}/{{code}}/state", partial(_answered, _state), methods=["GET"]),
        Route(f"{base}/{{code}}/answer", partial(_answered, _take), methods=["POST"]),
    ]


def _base() -> str:
    return "/" + "/".join(filter(None, (st.get_option("server.baseUrlPath").strip("/"), PATH)))


# ---- the page


async def _page(request: Request) -> Response:
    if not web_server.has_classes():
        return _nothing()
    text, policy = _document()
    return Response(text, media_type="text/html", headers={**_HEADERS, "content-security-policy": policy})


@cache
def _document() -> tuple[bytes, str]:
    """The page, the same for every code, and the policy that lets nothing run in it but its own script."""
    script, style = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("phone.js", "phone.css"))
    text = (_FOLDER / "phone.html").read_text(encoding="utf-8").replace("/*style*/", style).replace("/*script*/", script)
    own = {name: f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for name, part in _parts(text)}
    policy = f"default-src 'none'; script-src {own['script']}; style-src {own['style']}; connect-src 'self'; form-action 'none'; "
    return text.encode(), f"{policy}frame-ancestors 'none'; base-uri 'none'"


def _parts(text: str) -> list[tuple[str, str]]:
    """What lies in the elements style and script, to the letter."""
    return [(name, text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]) for name in ("style", "script")]


_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


def _nothing() -> Response:
    return Response("There is nothing here.\n", 404, _HEADERS, "text/plain")


# ---- the requests


def _join(request: Request, phone: str, sent: Any) -> dict[str, Any]:
    return {"code": _door().join(request.path_params["code"], phone, _address(request))}


def _state(request: Request, phone: str, sent: Any) -> dict[str, Any]:
    since = request.query_params.get("since", "")
    return _door().state(request.path_params["code"], phone, _address(request), int(since) if re.fullmatch("[0-9]{1,9}", since) else None)


def _take(request: Request, phone: str, sent: Any) -> dict[str, Any]:
    if not isinstance(sent, dict) or set(sent) != {"question", "answer"} or not isinstance(sent["question"], str):
        raise InputError("An answer has a question and an answer.", "answer")
    return {"mine": _door().answer(request.path_params["code"], phone, _address(request), sent["question"], sent["answer"])}


async def _answered(answer: _Answer, request: Request) -> Response:
    """What a function answers, worked out beside the web server's own thread; a refusal is one line."""
    if not web_server.has_classes():
        return _nothing()
    try:
        sent, known = await _body(request), _known(request)
        phone = known or secrets.token_urlsafe(_COOKIE_BYTES)
        found = await anyio.to_thread.run_sync(answer, request, phone, sent, limiter=_limiter())
    except InputError as error:
        return JSONResponse({"error": error.message}, _STATUS.get(type(error), 400), _HEADERS)
    except ClientDisconnect:
        return Response(status_code=400)
    response = JSONResponse(found, headers=_HEADERS)
    if known is None:
        is_safe, path = request.url.scheme == "https", request.url.path.rsplit("/", 2)[0]  # without the code and what is asked
        response.set_cookie(_COOKIE, phone, max_age=_DAY, path=path, secure=is_safe, httponly=True, samesite="lax")
    return response


async def _body(request: Request) -> Any:
    """The JSON that a phone sent, never more than MOST_BYTES of it. None for a question.

    Its type is one that a page of another address cannot send without being let, so a stranger's page cannot answer for a phone.
    """
    if request.method == "GET":
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InputError("Only JSON is taken here.", "answer")
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BYTES:
            raise InputError(f"An answer has {MOST_BYTES} bytes at most.", "answer")
    with suppress(ValueError, RecursionError):
        return json.loads(data)
    raise InputError("This is no JSON.", "answer")


def _known(request: Request) -> str | None:
    """The random text by which this phone is known; None where it shows none that was made here."""
    text = request.cookies.get(_COOKIE, "")
    return text if re.fullmatch(r"[\w-]{22}", text, re.ASCII) else None


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


@cache
def _door() -> classroom.Door:
    from appcore.service import manager as managers

    return classroom.Door(managers.shared().store)


@cache
def _limiter() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(_THREADS)
