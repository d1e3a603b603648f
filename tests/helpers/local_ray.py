"""A Ray cluster of this machine: some nodes of one core each, beside a head that has none. What Ray does besides is off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

_SMALL = {"object_store_memory": 80 * 2**20}  # of a node's store of results, which nothing here uses
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # else the workers hardly get a turn beside other programs
}


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """Ray's own object for it. All that is started meanwhile finds it by RAY_ADDRESS."""
    with patch.dict(os.environ, _QUIET):
        import ray
        from ray.cluster_utils import Cluster

        started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **_SMALL})
        try:
            for _ in range(nodes):
                add_node(started)
            os.environ["RAY_ADDRESS"] = started.address
            yield started
        finally:
            ray.shutdown()
            started.shutdown()


def add_node(cluster: Any) -> Any:
    """One more node."""
    return cluster.add_node(num_cpus=1, **_SMALL)
