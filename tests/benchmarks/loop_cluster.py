"""A child of the benchmark `loop`: the little Kubernetes API server with many Deployments, whose replicas are ready at once."""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
import sys
from pathlib import Path

from tests.autoscaler.kubernetes_api.client import open_client
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import NAMESPACE
from tests.autoscaler.kubernetes_api.kinds import BUILT_IN
from tests.autoscaler.kubernetes_api.server import ApiServer
from tests.autoscaler.kubernetes_api.statuses import Json
from tests.autoscaler.kubernetes_api.storage import Change, Storage
from tests.benchmarks.children import obey

DEPLOYMENTS = next(one for one in BUILT_IN if one.plural == "deployments")


class Controller:
    """Sees that all replicas which are wanted are ready: pods would only slow the server down."""

    def __init__(self, storage: Storage) -> None:
        self.writes = 0
        self._storage = storage
        storage.listeners.append(self._see)

    def _see(self, change: Change) -> None:
        after = change.after
        if change.key != DEPLOYMENTS.stored_as or after is None:
            return
        replicas, status = after["spec"]["replicas"], after.get("status") or {}
        if status.get("readyReplicas") != replicas:
            self.writes += change.before is not None
            asyncio.get_running_loop().call_soon(self._make_ready, after, replicas)

    def _make_ready(self, deployment: Json, replicas: int) -> None:
        ready = copy.deepcopy(deployment)
        ready["status"] = {"replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas}
        self._storage.put(DEPLOYMENTS, NAMESPACE, ready["metadata"]["name"], ready)


async def serve(folder: Path, deployments: int) -> None:
    """Serve until the input ends; the kubeconfig is in the folder."""
    server = ApiServer(folder)
    await server.start()
    authority = server.certificates.authority
    context = ssl.create_default_context(cafile=str(authority))
    try:
        async with open_client(server.address, context, server.admin_token) as admin:
            await admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            cluster = Cluster(folder, server.address, authority, admin, NAMESPACE, server, None)
            controller = Controller(server.storage)
            for number in range(deployments):
                await cluster.deploy(f"web-{number}", 6)
            cluster.kubeconfig(await cluster.admin_token())
            await obey({"writes": lambda: controller.writes})
    finally:
        await server.stop()


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    asyncio.run(serve(Path(options["folder"]), options["deployments"]))
