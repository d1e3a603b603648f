"""The end of a run told to a program of who runs this one: a command, or a web address (a webhook), as APPCORE_ON_END says.

The command finds a JSON object on its standard input, the address gets it as the body of a POST. It is told beside the run, with a time
limit: what goes wrong is one line on stderr, and no run waits for it or fails. A process that ends waits for what is being told (`wait`).
"""

from __future__ import annotations

import atexit
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

VARIABLE = "APPCORE_ON_END"
SECONDS = 10.0
_STDERR = 2
_told_until: dict[threading.Thread, float] = {}  # what is being told, and until when


def is_wanted() -> bool:
    """Whether anybody is to be told."""
    return bool(_target())


def tell(facts: Mapping[str, Any]) -> None:
    """Tell that a run has ended: `facts` has "run", its id, and whatever else JSON can say of it. Returns at once."""
    target = _target()
    if target:
        thread = threading.Thread(target=_tell, args=(target, dict(facts)), name="appcore-on-end", daemon=True)
        _told_until[thread] = time.monotonic() + SECONDS
        try:
            thread.start()
        except RuntimeError as error:  # this process may have no more threads, or is ending
            del _told_until[thread]
            _say(facts, error)


def wait() -> None:
    """Wait until everything was told, at most for its time limit. For processes that are about to end."""
    for thread, until in tuple(_told_until.items()):
        thread.join(max(0.0, until - time.monotonic()) + 1.0)  # it ends by itself at its limit, and says so


atexit.register(wait)


def _target() -> str:
    return os.environ.get(VARIABLE, "").strip()


def _tell(target: str, facts: Mapping[str, Any]) -> None:
    body = json.dumps(facts).encode()
    try:
        (_post if target.lower().startswith(("http://", "https://")) else _run)(target, body)
    except Exception as error:  # of a network, another program, or the variable itself
        _say(facts, error)
    finally:
        _told_until.pop(threading.current_thread(), None)


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive elsewhere as a GET without its body: it counts as not told."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(address: str, body: bytes) -> None:
    request = urllib.request.Request(address, body, {"Content-Type": "application/json", "User-Agent": "appcore"}, method="POST")
    with urllib.request.build_opener(_NoDetour).open(request, timeout=SECONDS):
        pass


def _run(command: str, body: bytes) -> None:
    """What the command prints goes to stderr; at the time limit it is killed with all that it has started."""
    with subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=_STDERR, start_new_session=True) as process:
        try:
            process.communicate(body, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _say(facts: Mapping[str, Any], error: Exception) -> None:
    print(f"run {facts['run']}: its end was not told to what {VARIABLE} names: {_words(error)}", file=sys.stderr, flush=True)


def _words(error: Exception) -> str:
    """Why, without the address or the arguments, which may hold a password."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the address answered {error.code}"
    if isinstance(error, subprocess.CalledProcessError):
        return f"the command ended with exit code {error.returncode}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, (subprocess.TimeoutExpired, TimeoutError)):
        return f"it took longer than {SECONDS:g} s"
    return (isinstance(reason, OSError) and reason.strerror) or type(reason).__name__
