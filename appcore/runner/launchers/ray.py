"""Runs as tasks of a Ray cluster.

A keeper, an actor of the cluster that outlives this program, has the queue: it places each job as a task, hears when a node dies, and has
the job placed again. This program hands its runs over and from then on looks at the store. Ray's own retries are off, and it keeps no
results that it could lose with a node and compute again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ... import __version__, paths, plugins
from ...errors import InputError
from ...statuses import ACTIVE, OVER
from ...storage.store import Store
from .. import placed
from ..device_queue import Queue
from ..engine_port import Engine, Need, Work, need_of
from .base import Job

CHOICES = {"ray": "On a Ray cluster"}
IS_ELSEWHERE = True
PACKAGE = "ray"
WAITS_UNTIL = "the Ray cluster has room; its keeper takes users in turn"
_ADDRESS_VARIABLE = "RAY_ADDRESS"
_SAME_VARIABLE = "APPCORE_SAME"  # one process takes tasks with one value of it
_SALT = secrets.token_bytes(8)
_LOOK_SECONDS = 0.5  # between two looks at the store: hundreds of runs may be away at once, and whoever drives them obeys commands
_ASK_SECONDS = 5.0  # how often the keeper is reminded of the runs that it has, which a new one learns by
_START_SECONDS = 60.0  # for the keeper's process
_AGAIN_SECONDS = 1.0  # between two tries to reach it meanwhile
_GIVE_UP_SECONDS = 180.0  # without a sign of life of the runs and of the keeper
_KNOWN_SECONDS = 2.0  # for so long the size of the cluster counts


def check(store: Store) -> None:
    """InputError where there is no cluster, or one of several machines and a store in a file."""
    ray = _connect()
    machines = {node["NodeManagerHostname"] for node in ray.nodes() if node["alive"]}
    if len(machines) > 1 and paths.store_file(store.url) is not None:
        raise InputError(
            "launcher ray: a store in a file cannot be written from several machines; use PostgreSQL, see docs/CLUSTER.md", "store"
        )


def start(store: Store, run_ids: list[str], work: Work | None) -> Job:
    """A job that the keeper has."""
    return KeptJob(store, run_ids)


def nodes() -> list[dict[str, Any]] | None:
    """The machines of the cluster that this program has joined; None where it has joined none, which this does not change."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    return [
        {
            "host": node["NodeManagerHostname"],
            "is_alive": bool(node["alive"]),
            "cores": node["Resources"].get("CPU", 0.0),
            "gpus": node["Resources"].get("GPU", 0.0),
            "memory": int(node["Resources"].get("memory", 0)),
        }
        for node in ray.nodes()
    ]


def _connect() -> Any:
    import ray

    if not ray.is_initialized():
        address = os.environ.get(_ADDRESS_VARIABLE) or "auto"
        try:
            ray.init(address=address, namespace="appcore", logging_level=logging.ERROR, log_to_driver=False)
        except Exception as error:
            said = f"at {address}" if address != "auto" else "here"
            problem = f"launcher ray: no Ray cluster answers {said}; start one with: ray start --head, or name one in {_ADDRESS_VARIABLE}"
            raise InputError(problem, "launcher") from error
    return ray


def _keeper(store: Store) -> Any:
    """The keeper of this store, started if there is none."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray = _connect()
    name = f"keeper-{__version__}-{hashlib.sha256(store.url.encode()).hexdigest()[:12]}"
    beside_us = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"name": name, "get_if_exists": True, "lifetime": "detached", "max_restarts": -1, "num_cpus": 0, "max_concurrency": 4}
    return ray.remote(Keeper).options(**options, scheduling_strategy=beside_us).remote(store.url, placed.environment(store))


class KeptJob:
    """Runs that the keeper has. They go on when this program ends."""

    is_eager = False

    def __init__(self, store: Store, run_ids: Sequence[str]):
        self._store, self._all = store, list(run_ids)
        self.run_ids, self.is_running = list(run_ids), True
        configs = [store.get(run_id)["config"] for run_id in run_ids]
        self._need = need_of(Engine(), configs)  # which settles the number of threads, too, that workers take over
        self._device = configs[0].get("device", "auto")
        self._variables = placed.environment(store)
        self._due = 0.0
        self._hand_over()
        self._asked = self._heard = time.monotonic()

    def advance(self) -> bool:
        """Look at the store, and now and then at the keeper; False when all runs have ended."""
        if (now := time.monotonic()) < self._due:
            return True
        self._due = now + _LOOK_SECONDS
        states = {run_id: status for run_id, _, status in self._store.revision(self._all)}
        ended = {run_id for run_id in self._all if states.get(run_id) in (None, *OVER)}
        ended -= {run_id for run_id in ended if states.get(run_id) == "stopped" and placed.may_go_on(self._store.get(run_id))}
        self.run_ids = [run_id for run_id in self._all if run_id not in ended]
        self.is_running = not self.run_ids or any(states[run_id] != "paused" for run_id in self.run_ids)
        if any(states[run_id] in ACTIVE for run_id in self.run_ids):
            self._heard = now
        if self.run_ids and now - self._asked >= _ASK_SECONDS:
            self._asked = now
            with suppress(Exception):  # the store says how the runs are
                self._ask(now)
        if now - self._heard > _GIVE_UP_SECONDS:
            print(f"runs {', '.join(self.run_ids)}: neither they nor their Ray cluster are heard of", file=sys.stderr)
            self.run_ids = []
        return bool(self.run_ids)

    def close(self, seconds: float = 0.0) -> None:
        """Nothing: the keeper has the runs, and they go on."""

    def _hand_over(self) -> None:
        """The keeper has the runs afterwards. One that has just died is no reason to give up: Ray starts it again."""
        ray, deadline = _connect(), time.monotonic() + _START_SECONDS
        while True:
            try:
                self._keeper = _keeper(self._store)
                self._answer = self._remind()
                ray.get(self._answer, timeout=max(1.0, deadline - time.monotonic()))
                return
            except ray.exceptions.RayActorError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_AGAIN_SECONDS)

    def _remind(self) -> Any:
        return self._keeper.keep.remote(self._all, self._variables, self._need, self._device)

    def _ask(self, now: float) -> None:
        ray = _connect()
        ready, _ = ray.wait([self._answer], timeout=0)
        if not ready:
            return
        try:
            ray.get(self._answer, timeout=0)
            self._heard = now
        except ray.exceptions.RayActorError:  # a new one takes over what it had
            self._keeper = _keeper(self._store)
        self._answer = self._remind()


# ---- in the cluster


class Keeper:
    """The actor that has the queue of one store. Ray starts it again where it dies; its tasks die with it."""

    def __init__(self, url: str, variables: Mapping[str, str]):
        import ray

        os.environ.update(variables)
        self._variables = dict(variables)
        self._store = Store(url)
        self._how: dict[str, tuple[Mapping[str, str], Need, str]] = {}
        self._most = (-_KNOWN_SECONDS, 1)
        self._queue = Queue("ray", self._store, self._start, None, is_here=False, is_elsewhere=True, most=self._room)
        if ray.get_runtime_context().was_current_actor_reconstructed:
            self._adopt()

    def keep(self, run_ids: list[str], variables: Mapping[str, str], need: Need, device: str) -> None:
        """Take runs that advance in lockstep; those that are here already stay as they are."""
        if set(run_ids) & set(self._queue.run_ids()):
            return
        rows = [row for row in map(self._store.get, run_ids) if placed.may_go_on(row)]
        for row in rows:
            with suppress(InputError):  # a worker has it: watched until it is lost
                self._store.claim(row["run_id"], ("queued",))
        if rows:
            chosen = [row["run_id"] for row in rows]
            self._how[chosen[0]] = variables, need, device
            fences = {run_id: row["fence"] for run_id, row in self._store.queued(chosen).items()}
            self._queue.add(chosen, fences, rows[0]["owner"])

    def _adopt(self) -> None:
        """Take what an earlier keeper had: all runs that were given to this launcher and have not ended."""
        for row in reversed(self._store.runs()):
            if row["launcher"] == PACKAGE and placed.may_go_on(row):
                self.keep([row["run_id"]], self._variables, need_of(Engine(), [row["config"]]), row["config"].get("device", "auto"))

    def _room(self) -> int:
        """How many jobs the cluster may carry at once: the others wait here, where their order is fair and they can be stopped."""
        import ray

        if time.monotonic() - self._most[0] > _KNOWN_SECONDS:
            found = ray.cluster_resources()
            self._most = time.monotonic(), max(1, int(found.get("CPU", 1)), int(4 * found.get("GPU", 0)))
        return self._most[1]

    def _start(self, store: Store, run_ids: list[str], work: Work | None) -> Job:
        variables, need, device = self._how[run_ids[0]] if run_ids[0] in self._how else (self._variables, Need(), "auto")
        return placed.PlacedJob(store, run_ids, lambda own: _Task(own, variables, _resources(need, device)))


def _resources(need: Need, device: str) -> dict[str, float]:
    """What a task is to get: a GPU, or a share of one, where it trains on one; else cores."""
    import ray

    if device == "cuda" or (device == "auto" and ray.cluster_resources().get("GPU")):
        return {"num_cpus": 1, "num_gpus": min(1.0, need.slots)}
    return {"num_cpus": max(1, round(need.slots))}


class _Task:
    """A task of the cluster. Its process takes the next one with the same variables and plug-ins, so that torch is imported once for each
    core and not for each run; on a GPU it ends with the task, since memory there would stay its own."""

    def __init__(self, run_ids: list[str], variables: Mapping[str, str], resources: Mapping[str, float]):
        import ray

        task = ray.remote(max_retries=0, max_calls=1 if "num_gpus" in resources else 0)(placed.carry_out)
        # Ray shows to whoever looks what tells its processes apart, and the address of a store may have a password.
        mark = hashlib.sha256(_SALT + repr((sorted(variables.items()), plugins.changed())).encode()).hexdigest()[:12]
        options = {**resources, "name": f"appcore {' '.join(run_ids)}", "runtime_env": {"env_vars": {_SAME_VARIABLE: mark}}}
        self._answer = task.options(**options).remote(run_ids, dict(variables))

    def ended(self) -> placed.Ended | None:
        import ray

        ready, _ = ray.wait([self._answer], timeout=0)
        if not ready:
            return None
        try:
            code = ray.get(self._answer, timeout=1)
        except ray.exceptions.RayTaskError as error:  # of the program itself
            return placed.Ended(1, f"its Ray task failed: {_short(error)}")
        except (ray.exceptions.RaySystemError, ray.exceptions.GetTimeoutError):
            raise  # Ray cannot say
        except ray.exceptions.RayError as error:
            return placed.Ended(None, f"its Ray task is gone: {_short(error)}")
        return placed.Ended(code, f"its Ray task ended with {code}")

    def cancel(self) -> None:
        import ray

        ray.cancel(self._answer, force=True)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
