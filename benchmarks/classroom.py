"""What a class of 30 phones costs the server, through its real front door.

    python benchmarks/classroom.py [--phones 30] [--seconds 20]

Each phone is a connection of its own that comes in and then asks every two seconds, as the page on a phone does; in the middle of the time
all of them answer at one instant. Processor time is that of the app's process, over the whole time, beside the same app without phones.
Writes classroom.md beside itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import platform
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import browser  # noqa: E402

from appcore.storage.store import Store  # noqa: E402

ASKED = {"id": "bench.one", "kind": "choice", "text": "Which?", "options": ["one", "two", "three", "four"], "sure": ["no", "so so", "yes"]}
EVERY = 2.0  # seconds, as in phone.js


class Phone(threading.Thread):
    """Comes in, asks every two seconds from a moment of its own on, and answers at an instant that all share."""

    def __init__(self, address: str, code: str, number: int, begin: float, votes: float, end: float):
        super().__init__(daemon=True)
        self._place, self._code, self._number = urlsplit(address).netloc, code, number
        self._begin, self._votes, self._end = begin, votes, end
        self.waits: list[float] = []
        self.answered = 0.0

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._place, timeout=30)
        cookie = self._sent(connection, "POST", "join", {})[1]
        revision, due, is_done = None, self._begin + EVERY * (self._number % 20) / 20, False
        while due < self._end:
            time.sleep(max(0.0, min(due, self._end if is_done else self._votes) - time.time()))
            begun = time.time()
            if not is_done and begun >= self._votes:
                answer = {"question": ASKED["id"], "answer": {"option": self._number % 4, "sure": self._number % 3}}
                self._sent(connection, "POST", "answer", answer, cookie)
                is_done, self.answered = True, time.time() - begun
                continue
            found, _ = self._sent(connection, "GET", "state" if revision is None else f"state?since={revision}", None, cookie)
            revision = found["revision"]
            self.waits.append(time.time() - begun)
            due += EVERY

    def _sent(self, connection: http.client.HTTPConnection, method: str, what: str, body: Any, cookie: str = "") -> tuple[Any, str]:
        text = None if body is None else json.dumps(body)
        headers = {"Origin": f"http://{self._place}", "Content-Type": "application/json", **({"Cookie": cookie} if cookie else {})}
        connection.request(method, f"/class/{self._code}/{what}", text, headers)
        found = connection.getresponse()
        content = json.loads(found.read())
        assert found.status == 200, content
        return content, (found.getheader("Set-Cookie") or "").partition(";")[0]


def spent(process: psutil.Process, until: float) -> float:
    """Processor seconds that a process takes from now until then."""
    begun = process.cpu_times()
    time.sleep(max(0.0, until - time.time()))
    ended = process.cpu_times()
    return ended.user + ended.system - begun.user - begun.system


def measure(phones: int, seconds: float) -> dict[str, float]:
    """Shares of a core without phones and with them, and how long the phones waited."""
    with tempfile.TemporaryDirectory() as folder, browser.app(Path(folder)) as address:
        (process,) = [child for child in psutil.Process().children() if "streamlit" in child.cmdline()]
        store = Store(Path(folder) / "runs.db")
        code = store.classes.open()
        store.classes.ask(code, ASKED)
        Phone(address, code, 0, 0.0, 0.0, 0.0).run()  # what the first request imports and opens is not what a class costs
        time.sleep(3)
        idle = spent(process, time.time() + seconds)
        begin = time.time() + 1
        times = begin, begin + seconds / 2, begin + seconds
        class_of = [Phone(address, code, number, *times) for number in range(phones)]
        for phone in class_of:
            phone.start()
        time.sleep(max(0.0, begin - time.time()))
        busy = spent(process, begin + seconds)
        for phone in class_of:
            phone.join()
        assert store.classes.counts(code, ASKED["id"])[1] == phones
        waits = [wait for phone in class_of for wait in phone.waits]
        return {
            "without phones, % of a core": 100 * idle / seconds,
            "with phones, % of a core": 100 * busy / seconds,
            "a question, ms, median": 1000 * statistics.median(waits),
            "a question, ms, longest": 1000 * max(waits),
            "an answer, all at one instant, ms, median": 1000 * statistics.median(phone.answered for phone in class_of),
            "an answer, all at one instant, ms, longest": 1000 * max(phone.answered for phone in class_of),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phones", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    found = measure(asked.phones, asked.seconds)
    lines = [
        f"# A class of {asked.phones} phones",
        "",
        f"`python benchmarks/classroom.py --phones {asked.phones} --seconds {asked.seconds:g}`, {datetime.now(UTC):%Y-%m-%d}, "
        f"Python {platform.python_version()}, {psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}, SQLite. "
        f"Each phone asks every {EVERY:g} s; in the middle all answer at one instant.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value:.1f} |" for name, value in found.items()),
        "",
    ]
    text = "\n".join(lines)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
