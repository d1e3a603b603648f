"""`dashboard`: the app, as `streamlit run app.py` starts it from a checkout."""

from __future__ import annotations

import argparse
import os
import re
import sys

from .. import installation


def add(parser: argparse.ArgumentParser) -> None:
    """The flags of `dashboard`. Streamlit's other settings are its environment variables, such as STREAMLIT_SERVER_BASE_URL_PATH."""
    parser.add_argument("--port", type=_port, metavar="N", help="port to listen on [8501, or the next one that is free]")
    parser.add_argument("--address", type=_address, metavar="HOST", help="address to listen on; docs/SERVER.md says what else others need")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; use a number from 1 to 65535")
    return int(text)


def _address(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", text) or text.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is no address of this machine; use a name or number such as 127.0.0.1")
    return text


def command(args: argparse.Namespace) -> list[str]:
    """The program that takes the place of this one. -P: the folder that it is called in holds no modules of ours."""
    chosen = {"port": args.port, "address": args.address, "headless": "true" if args.no_browser else None}
    options = [f"--server.{name}={value}" for name, value in chosen.items() if value is not None]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(installation.APP / "app.py"), *options]


def start(args: argparse.Namespace) -> int:
    """Become the app: signals and the exit code are its own."""
    words = command(args)
    sys.stdout.flush()
    os.execv(words[0], words)
    return 1  # never reached
