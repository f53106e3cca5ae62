"""The fixture `kubernetes`: a cluster for one test. Import it in a conftest or a test module.

It is the little server, unless a real one is named: `TIDEGATE_TEST_KUBECONFIG`, or `KUBEBUILDER_ASSETS` with etcd and
kube-apiserver in it. Tests which order faults need the little one and ask for `little`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.autoscaler.kubernetes_api.client import open_client
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.server import ApiServer
from tests.autoscaler.kubernetes_api.workloads import Workloads

NAMESPACE = "shop"


@pytest.fixture
async def little(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster of the little server."""
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    server = ApiServer(folder)
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        context = ssl.create_default_context(cafile=str(server.certificates.authority))
        admin = await stack.enter_async_context(open_client(server.address, context, server.admin_token))
        await admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        workloads = await stack.enter_async_context(Workloads(admin).running())
        yield Cluster(
            folder, server.address, server.certificates.authority, admin, NAMESPACE, server, workloads
        )


@pytest.fixture
async def kubernetes(little: Cluster) -> Cluster:
    """A cluster, the little one."""
    return little
