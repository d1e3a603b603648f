"""Thirty people who start the run of a lesson at one moment, each with a page of the app open.

    python benchmarks/people.py [--people 30] [--lessons gap,half]

Each person is a connection of its own to the real app, which speaks what Streamlit's page speaks with it: asks for the form of "Try it for
real" as the lesson fills it, asks again for what the page would ask for by itself, and presses Start at an instant that all share. What a
browser takes to draw is the people's own machines' and is left out. Measured is the time from that instant until the run's page says
"Done" to each of them, and how many runs were trained. Writes people.md beside itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers"), str(ROOT / "benchmarks")]

import browser  # noqa: E402
from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: E402
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: E402
from tables import measured, table  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

from appcore.planning import address as addresses  # noqa: E402
from appcore.service import lessons  # noqa: E402
from appcore.storage.store import Store  # noqa: E402

START, DONE = "Start run", ":material/check_circle: Done]"
LONGEST = 90.0  # s until somebody gives up


class Person(threading.Thread):
    """One page of the app, without anything that is drawn."""

    def __init__(self, address: str, query: dict[str, str], number: int, moment: threading.Event):
        super().__init__(daemon=True)
        self._query, self._number, self._moment = urlencode(query), number, moment
        self._speech: dict[str, Any] = {"origin": address, "subprotocols": ["streamlit"], "max_size": None, "ping_interval": None}
        self._place = f"ws://{urlsplit(address).netloc}/_stcore/stream"
        self._page = self._button = ""
        self._asked_again: dict[str, tuple[float, float]] = {}  # by fragment: seconds between two, and when it is due
        self.is_ready, self.waited, self.trouble = threading.Event(), 0.0, ""

    def run(self) -> None:
        try:
            with connect(self._place, **self._speech) as self._socket:
                self._sit()
        except Exception as error:
            self.trouble = f"person {self._number}: {type(error).__name__}: {error}"
        self.is_ready.set()

    def _sit(self) -> None:
        self._ask()
        pressed = 0.0
        while not (self.waited or self.trouble):
            if not pressed and self.is_ready.is_set() and self._moment.is_set():
                pressed = time.perf_counter()
                self._ask(press=self._button)
            self._hear(pressed)
            if pressed and time.perf_counter() - pressed > LONGEST:
                self.trouble = f"person {self._number} saw no result in {LONGEST:.0f} s"

    def _ask(self, press: str = "", fragment: str = "") -> None:
        """What the page sends: everything anew, after a press, or a part that draws itself again."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash, state.fragment_id = self._query, self._page, fragment
        state.is_auto_rerun = bool(fragment)
        if not self._page:
            state.page_name = "run"
        if press:
            state.widget_states.widgets.add(id=press, trigger_value=True)
        self._socket.send(message.SerializeToString())

    def _hear(self, pressed: float) -> None:
        """Takes one message, or what is due by itself."""
        now = time.perf_counter()
        for fragment, (seconds, due) in self._asked_again.items():
            if due <= now:
                self._asked_again[fragment] = seconds, now + seconds
                return self._ask(fragment=fragment)
        try:
            found = ForwardMsg.FromString(self._socket.recv(timeout=0.05))
        except TimeoutError:
            return None
        kind = found.WhichOneof("type")
        if kind == "navigation":  # of a whole drawing, after which parts of the one before are no longer there
            self._page = found.navigation.page_script_hash
            self._asked_again.clear()
        elif kind == "stop_auto_rerun":
            for fragment in found.stop_auto_rerun.fragment_ids:
                self._asked_again.pop(fragment, None)
        elif kind == "auto_rerun":
            self._asked_again[found.auto_rerun.fragment_id] = found.auto_rerun.interval, now + found.auto_rerun.interval
        elif kind == "page_info_changed":
            self._query = found.page_info_changed.query_string
        elif kind == "script_finished":
            if self._button:
                self.is_ready.set()
        elif kind == "delta":
            element = found.delta.new_element
            if element.WhichOneof("type") == "button" and element.button.label == START:
                self._button = element.button.id
            elif element.WhichOneof("type") == "exception":
                self.trouble = f"person {self._number}: {element.exception.message}"
            elif pressed and element.WhichOneof("type") == "markdown" and DONE in element.markdown.body:
                self.waited = now - pressed
        return None


def form_of(lesson: str) -> dict[str, str]:
    """The address of the form that the lesson fills."""
    steps = lessons.load(lesson).steps
    return addresses.written(next(link.settings for step in steps for link in step.links if link.page == "run"))


def measure(lesson: str, people: int) -> dict[str, Any]:
    """How long each of them waited, and what it took."""
    with tempfile.TemporaryDirectory() as folder, browser.app(Path(folder)) as address:
        (app,) = [child for child in psutil.Process().children() if "streamlit" in child.cmdline()]
        moment = threading.Event()
        everybody = [Person(address, form_of(lesson), number, moment) for number in range(people)]
        for person in everybody:
            person.start()
            assert person.is_ready.wait(LONGEST), person.trouble
        time.sleep(5)  # all have the costs that the form shows
        before = app.cpu_times()
        moment.set()
        for person in everybody:
            person.join(LONGEST)
        after = app.cpu_times()
        store = Store(Path(folder) / "runs.db")
        runs = [store.get(row["run_id"]) for row in store.runs()]
        store.close()
    waits = [person.waited for person in everybody]
    print(f"{lesson}: {statistics.median(waits):.1f} s, longest {max(waits):.1f} s, runs {len(runs)}", file=sys.stderr, flush=True)
    trouble = [person.trouble for person in everybody if person.trouble]
    assert not trouble, trouble
    return {
        "waits": waits,
        "runs": len(runs),
        "training": sum(run["totals"]["seconds"] for run in runs),
        "cores": after.user + after.system - before.user - before.system,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--lessons", default="gap,half", metavar="NAME,...", help="names of their files [gap,half]")
    args, begun = parser.parse_args(), time.perf_counter()
    rows = []
    for lesson in args.lessons.split(","):
        found = measure(lesson, args.people)
        waits = f"{statistics.median(found['waits']):.1f} ({min(found['waits']):.1f} to {max(found['waits']):.1f})"
        rows.append([lesson, found["runs"], waits, f"{found['training']:.1f}", f"{found['cores']:.0f}"])
    heads = [
        "lesson",
        "runs trained",
        "s until it says Done, median (lowest to highest)",
        "s of training in it",
        "s of a core, the app altogether",
    ]
    about = f"{args.people} people press Start of *Try it for real* at one instant; {os.cpu_count()} cores, a thread of the app trains."
    lines = ["# Thirty people, one run", measured("people.py", begun), table(about, heads, rows)]
    Path(__file__).with_suffix(".md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
