"""A port of its own for phones (`class_address` of the limits): classes and nothing else, so that the app can stay on this machine alone.

It is opened with the first class and stays until the program ends. What it answers has the rules of door.py and of web_server.py, but
only its own address counts.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Thread

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from appcore.errors import InputError

from ..app import web_server
from . import door

_MOST_AT_ONCE, _IDLE_SECONDS = 1000, 10  # connections; how long one is kept between two requests
_running: dict[str, Thread] = {}
_lock = Lock()


def ensure(address: str) -> None:
    """Let phones in at this address, if they are not let in yet. InputError in one line where it cannot be used."""
    with _lock:
        if address in _running and _running[address].is_alive():
            return
        config = uvicorn.Config(
            app(address),
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            limit_concurrency=_MOST_AT_ONCE,
            timeout_keep_alive=_IDLE_SECONDS,
        )
        opened = _opened(address)
        _running[address] = Thread(target=uvicorn.Server(config).run, args=([opened],), name="class", daemon=True)
        _running[address].start()


def app(address: str) -> Starlette:
    """What is answered there."""
    host = frozenset({address.rpartition(":")[0].strip("[]")})
    routes = [Route("/", _lead, methods=["GET"]), *door.routes(f"/{door.PATH}")]
    return Starlette(routes=routes, middleware=[Middleware(web_server.Addresses, named=lambda: host)])


async def _lead(request: Request) -> Response:
    return RedirectResponse(f"/{door.PATH}")


def own_number() -> str:
    """This machine's number in the network, as far as it can be known without asking anybody."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # of no machine, and nothing is sent: it says only which way would be taken
        return str(probe.getsockname()[0])
    return "192.168.1.5"


def _opened(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, int(port)))
    except OSError as error:
        opened.close()
        problem = error.strerror or "not known here"
        raise InputError(
            f"class_address {address}: {problem}; name this machine's number in the network and a free port", "class"
        ) from None
    return opened
