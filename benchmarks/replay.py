"""What a run says to a PostgreSQL server, taken down once and said again by `pgbench` for any number of runs at the same pace.

A driver in Python takes several times the processor time of what it makes the server do, so that hundreds of them on one machine
measure that machine. Here each run is a program in C that sends the very statements and sleeps in between. They come with their values
as text, which the server has to plan each time anew, while it knows those of a driver. Before each transaction it is asked whether it is
there, as the connections of a store do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event

NOW = "extract(epoch from clock_timestamp())"
RECENT = 60.0  # seconds: a number that lies no further from the time of now is a time
HOST = re.compile(r"\bhost ?= ?'[^']*'")  # of the run's process, which here has ended; elsewhere nobody can look for it
WRITES = "revision=(runs.revision + "  # of every transaction that changes what pages show
PING = "SELECT 1"
AGAIN = 15.0  # seconds: three megabatches of writers.py

Transaction = tuple[float, float, list[str]]  # when it began and ended, in seconds, and its statements


class Recorder:
    """Takes down the transactions of all connections of an engine, as text; each begins after so many seconds, as at a busy server."""

    def __init__(self, engine: Engine, answer: float = 0.0):
        self.transactions: list[Transaction] = []
        self._answer = answer
        self._open: dict[Any, tuple[float, list[str]]] = {}
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "before_cursor_execute", self._execute)
        event.listen(engine, "commit", self._end)
        event.listen(engine, "rollback", self._forget)

    def _begin(self, connection: Connection) -> None:
        time.sleep(self._answer)
        self._open[connection.connection.driver_connection] = time.monotonic(), []

    def _execute(self, connection: Connection, cursor: Any, statement: str, values: Any, context: Any, is_many: bool) -> None:
        server = connection.connection.driver_connection
        assert isinstance(server, psycopg.Connection)
        for one in values if is_many else [values]:
            text = psycopg.ClientCursor(server).mogrify(statement, one or None)
            for value in one.values() if isinstance(one, dict) else one:
                if isinstance(value, float) and abs(value - time.time()) < RECENT:
                    text = text.replace(repr(value), NOW)
            self._open[server][1].append(text)

    def _end(self, connection: Connection) -> None:
        began, statements = self._open.pop(connection.connection.driver_connection, (0.0, []))
        if statements:
            self.transactions.append((began, time.monotonic(), statements))

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection.connection.driver_connection, None)


def script(transactions: list[Transaction], until: float, run_id: str, other: str) -> str:
    """Transactions of a run as a script of pgbench for another run: until `until` the first time, and those after it again and again.

    What is said again writes the same rows again, which a driver replaces where they are there already.
    """
    parts: dict[bool, list[str]] = {True: [], False: []}
    last = transactions[0][0]
    for began, ended, statements in transactions:
        lines = parts[ended <= until]
        if began > last:
            lines.append(f"\\sleep {round(1e6 * (began - last))} us")
        lines += [f"{statement};" for statement in (PING, "BEGIN", *statements, "COMMIT")]
        last = max(last, ended)
    lines = ["\\if :is_first", *parts[True], "\\set is_first 0", "\\endif", *parts[False]]
    return HOST.sub("host='elsewhere'", "\n".join(lines).replace(run_id, other)) + "\n"


class Players:
    """Programs that say what a run said, each for a run of its own and with as many connections as a driver has."""

    def __init__(self, address: str, transactions: list[Transaction], run_id: str, folder: Path, again: float = AGAIN):
        """What a run said, without its end: the last `again` seconds of it are said again and again."""
        self._address, self._run_id, self._folder = address, run_id, folder
        self._transactions = sorted(transactions)
        self._until = self._transactions[-1][1] - again
        repeated = [one for one in self._transactions if one[1] > self._until]
        self.writes, self.again = sum(WRITES in text for _, _, texts in repeated for text in texts), again
        self._programs: list[subprocess.Popen[str]] = []
        self._idle: list[psycopg.Connection] = []

    def start(self, run_ids: list[str], times: int = 1000) -> None:
        """Begin to speak for these runs; what is repeated is said so many times."""
        for run_id in run_ids:
            file = self._folder / f"{run_id}.sql"
            file.write_text(script(self._transactions, self._until, self._run_id, run_id), encoding="utf-8")
            command = [program(), "--no-vacuum", "--define=is_first=1", f"--transactions={times}", f"--file={file}", self._address]
            self._programs.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
            self._idle.append(psycopg.connect(self._address))

    def wait(self) -> None:
        """Wait until all have said everything; RuntimeError where one could not."""
        for one in self._programs:
            said = one.communicate()[0]
            if one.returncode:
                raise RuntimeError(f"a replay failed: {said}")

    def failed(self) -> int:
        """How many could not go on."""
        return sum(one.poll() not in (None, 0) for one in self._programs)

    def close(self) -> None:
        for one in self._programs:
            one.kill()
            one.wait()
        for connection in self._idle:
            connection.close()


def program() -> str:
    """The path of pgbench: on the search path, or where Debian has it; empty where there is none."""
    found = [shutil.which("pgbench"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/pgbench")), reverse=True)]
    return next((path for path in found if path), "")
