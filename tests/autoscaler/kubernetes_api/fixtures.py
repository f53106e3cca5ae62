"""The fixtures: import them by name in a conftest or a test module.

`kubernetes` is a cluster for one test: the little server, or a real one where `TIDEGATE_TEST_KUBECONFIG` names a kubeconfig or
`KUBEBUILDER_ASSETS` a folder with etcd and kube-apiserver. `little` is the little one always, for tests which order faults or
look inside.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.autoscaler.kubernetes_api.client import open_client
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.real import RealServer, is_wanted, real_server
from tests.autoscaler.kubernetes_api.server import ApiServer
from tests.autoscaler.kubernetes_api.workloads import Workloads

NAMESPACE = "shop"


@pytest.fixture
async def little(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster of the little server."""
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    async with little_cluster(folder) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer | None]:
    """The real server, if one is wanted."""
    if not is_wanted():
        yield None
        return
    with real_server(tmp_path_factory.mktemp("control-plane")) as server:
        yield server


@pytest.fixture
async def kubernetes(real: RealServer | None, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster, real if one is named."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    async with little_cluster(folder) if real is None else real_cluster(real, folder) as cluster:
        yield cluster


@asynccontextmanager
async def little_cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Run the little server, and the stand-ins for its controllers, for the time of the context."""
    server = ApiServer(folder)
    await server.start()
    authority = server.certificates.authority
    context = ssl.create_default_context(cafile=str(authority))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        admin = await stack.enter_async_context(open_client(server.address, context, server.admin_token))
        await admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        workloads = await stack.enter_async_context(Workloads(admin).running())
        yield Cluster(folder, server.address, authority, admin, NAMESPACE, server, workloads)


@asynccontextmanager
async def real_cluster(server: RealServer, folder: Path) -> AsyncIterator[Cluster]:
    """Make a namespace in a real cluster, and remove it at the end."""
    namespace = f"tidegate-{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(open_client(server.address, server.context, server.token))
        await admin.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        workloads = None
        if not server.runs_pods_itself:
            workloads = await stack.enter_async_context(Workloads(admin, namespace=namespace).running())
        cluster = Cluster(folder, server.address, server.authority, admin, namespace, None, workloads)
        stack.push_async_callback(cluster.clean)
        yield cluster
