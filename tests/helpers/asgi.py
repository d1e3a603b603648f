"""Requests to an ASGI application without a server: what was answered, and nothing in between."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit


@dataclass
class Answer:
    """Status, headers (names in small letters) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request(app: Any, method: str, url: str, *, body: bytes = b"", client: str = "127.0.0.1", **headers: str) -> Answer:
    """The answer to one request; `content_type` is the header content-type. The body comes in pieces of 1,000 bytes."""
    place = urlsplit(url)
    given = {"host": place.netloc or "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": place.scheme or "http",
        "path": place.path,
        "raw_path": quote(place.path).encode(),
        "root_path": "",
        "query_string": place.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": (client, 40_000),
        "server": ("127.0.0.1", 8501),
    }
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)] or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))
