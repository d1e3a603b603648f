"""Runs as any command starts them: over ssh, in a container, by the client of another scheduler.

APPCORE_COMMAND is a shell command with `{command}`, one word that a shell carries out and that drives the runs, e.g. `ssh node {command}`;
or with `{runs}`, the ids, for a command of one's own. `{name}` is the first id, for names of jobs. It should last as long as the worker and
end with its exit code. One that returns 0 at once has handed the job on: from then on only the store says how the runs are.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from contextlib import suppress
from string import Formatter

from ...errors import InputError
from ...storage.store import Store
from .. import placed
from ..engine_port import Engine, Work, need_of
from .base import Job

CHOICES = {"command": "By a command of your own"}
IS_ELSEWHERE = True
VARIABLE = "APPCORE_COMMAND"
WAITS_UNTIL = "the worker has begun that the command starts"
_FIELDS = {"command", "runs", "name"}
_LAST_CHARACTERS = 300


def check(store: Store) -> None:
    """InputError where the template cannot be filled in."""
    _filled(["run"], {})


def start(store: Store, run_ids: list[str], work: Work | None) -> Job:
    """A job whose worker the command starts."""
    need_of(Engine(), [store.get(run_id)["config"] for run_id in run_ids])  # settles the number of threads, which workers take over
    variables = placed.environment(store)
    return placed.PlacedJob(store, run_ids, lambda own: _Command(_filled(own, variables)))


def _filled(run_ids: list[str], variables: dict[str, str]) -> str:
    """The template, filled in."""
    template = os.environ.get(VARIABLE, "")
    try:
        named = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise InputError(f"{VARIABLE}: {error}; write a brace that is meant as such twice", "launcher") from None
    if not named & {"command", "runs"} or named - _FIELDS:
        wrong = ", ".join(f"{{{name}}}" for name in sorted(named - _FIELDS))
        problem = f"{wrong} is unknown" if wrong else "neither {command} nor {runs} stands in it"
        raise InputError(f"{VARIABLE}: {problem}; it is a command such as: ssh node {{command}}", "launcher")
    return template.format(command=shlex.quote(placed.command(run_ids, variables)), runs=shlex.join(run_ids), name=run_ids[0])


class _Command:
    """A shell that carries out the filled-in template, in a session of its own."""

    def __init__(self, line: str):
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True
        )

    def ended(self) -> placed.Ended | None:
        code = self._shell.poll()
        if code is None:
            return None
        end = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, end - _LAST_CHARACTERS))
        last = " ".join(self._output.read().decode(errors="replace").split())
        return placed.Ended(code, f"its command ended with {code}" + (f": {last}" if last else ""))

    def cancel(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
