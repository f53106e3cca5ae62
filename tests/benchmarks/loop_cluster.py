"""A child of the benchmark `loop`: the little Kubernetes API server with many Deployments, whose replicas are ready at once."""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from pathlib import Path

from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import little_cluster
from tests.autoscaler.kubernetes_api.kinds import BUILT_IN
from tests.autoscaler.kubernetes_api.storage import Change
from tests.benchmarks.children import obey

DEPLOYMENTS = next(one for one in BUILT_IN if one.plural == "deployments")


class Controller:
    """Sees that all replicas which are wanted are ready: pods would only slow the server down."""

    def __init__(self, cluster: Cluster) -> None:
        self.writes = 0
        self._storage = cluster.server.storage
        self._storage.listeners.append(self._see)

    def _see(self, change: Change) -> None:
        after = change.after
        if change.key != DEPLOYMENTS.stored_as or after is None:
            return
        replicas, status = after["spec"]["replicas"], after.get("status") or {}
        if status.get("readyReplicas") != replicas:
            self.writes += change.before is not None
            asyncio.get_running_loop().call_soon(self._make_ready, after, replicas)

    def _make_ready(self, deployment: dict[str, object], replicas: int) -> None:
        ready = copy.deepcopy(deployment)
        ready["status"] = {"replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas}
        name = ready["metadata"]["name"]  # type: ignore[index]
        self._storage.put(DEPLOYMENTS, "shop", name, ready)


async def serve(folder: Path, deployments: int) -> None:
    """Serve until the input ends; the kubeconfig is in the folder."""
    async with little_cluster(folder) as cluster:
        controller = Controller(cluster)
        for number in range(deployments):
            await cluster.deploy(f"web-{number}", 6)
        cluster.kubeconfig(await cluster.admin_token())
        await obey({"writes": lambda: controller.writes})


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    asyncio.run(serve(Path(options["folder"]), options["deployments"]))
