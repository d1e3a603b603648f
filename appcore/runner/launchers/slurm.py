"""Runs as jobs of a Slurm cluster, by submitit. Where there is no Slurm, submitit starts them as processes of this machine.

APPCORE_SLURM says what submitit asks Slurm for, e.g. `partition=gpu,timeout_min=600`.
"""

from __future__ import annotations

import os
import shlex
from typing import Any

from ... import paths
from ...errors import InputError
from ...storage.store import Store
from .. import placed
from ..engine_port import Engine, Need, Work, need_of
from ..hardware import gpus
from .base import Job

CHOICES = {"slurm": "As a job of a Slurm cluster"}
IS_ELSEWHERE = True
PACKAGE = "submitit"
WAITS_UNTIL = "Slurm begins its job"
PARAMETERS_VARIABLE = "APPCORE_SLURM"
_MEMORY_GB = 4  # beside the estimate of the run: Python, torch, the images


def check(store: Store) -> None:
    """InputError for parameters that cannot be read, or a store that several machines cannot write."""
    _parameters()
    if _executor(store).cluster == "slurm" and paths.store_file(store.url) is not None:
        raise InputError(
            "launcher slurm: a store in a file cannot be written from several machines; use PostgreSQL, see docs/CLUSTER.md", "store"
        )


def start(store: Store, run_ids: list[str], work: Work | None) -> Job:
    """A job whose worker Slurm starts when there is room."""
    configs = [store.get(run_id)["config"] for run_id in run_ids]
    need = need_of(Engine(), configs)  # which settles the number of threads, too, that workers take over
    variables, executor = placed.environment(store), _executor(store)
    executor.update_parameters(**_asked(configs[0].get("device", "auto"), need, run_ids[0]))
    return placed.PlacedJob(store, run_ids, lambda own: _SlurmJob(executor.submit(placed.carry_out, own, variables)))


def _executor(store: Store) -> Any:
    import submitit

    return submitit.AutoExecutor(folder=paths.slurm(store.folder))


def _asked(device: str, need: Need, name: str) -> dict[str, Any]:
    """What is asked for: said by the user, else by the estimate."""
    said = _parameters()
    wants_gpu = device == "cuda" or (device == "auto" and bool(gpus() or said.get("gpus_per_node")))
    asked: dict[str, Any] = {
        "name": f"appcore-{name}",
        "timeout_min": 24 * 60,
        "slurm_setup": [f"export PYTHONPATH={shlex.quote(str(placed.ROOT))}"],
    }
    asked |= {"gpus_per_node": 1} if wants_gpu else {"cpus_per_task": max(1, round(need.slots)), "mem_gb": _MEMORY_GB + need.size / 1e9}
    return asked | {name if name in _SHARED else f"slurm_{name}": value for name, value in said.items()}


_SHARED = {"cpus_per_task", "gpus_per_node", "mem_gb", "timeout_min"}  # submitit's names for every kind of cluster


def _parameters() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in os.environ.get(PARAMETERS_VARIABLE, "").split(","))):
        name, equals, value = part.partition("=")
        if not (equals and name.isidentifier() and value):
            raise InputError(
                f"{PARAMETERS_VARIABLE}: {part!r} is no NAME=VALUE; write for example partition=gpu,timeout_min=600", "launcher"
            )
        found[name] = int(value) if value.isdecimal() else value
    return found


class _SlurmJob:
    """A job as submitit knows it."""

    def __init__(self, job: Any):
        self._job = job

    def ended(self) -> placed.Ended | None:
        if not self._job.done():
            return None
        from submitit.core.utils import UncompletedJobError

        try:
            error = self._job.exception()
        except UncompletedJobError as problem:
            error = problem
        if error is None:
            code = self._job.result()
            return placed.Ended(code, f"its Slurm job {self._job.job_id} ended with {code}")
        words = " ".join(str(error).split())[:300]
        return placed.Ended(None, f"its Slurm job {self._job.job_id} is gone: {words}")

    def cancel(self) -> None:
        self._job.cancel()
