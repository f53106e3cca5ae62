"""The API servers of these tests before kubectl, a client that we did not write: what it shows and does, it must show and do."""

import asyncio
import os

import pytest

from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, real
from tests.tools import need

__all__ = ["kubernetes", "real"]


async def kubectl(cluster: Cluster, *arguments: str, token: str | None = None) -> tuple[int, str]:
    """Run kubectl; returns its exit status and what it printed."""
    config = cluster.kubeconfig(token or await cluster.admin_token(), "kubectl-config")
    process = await asyncio.create_subprocess_exec(
        need("kubectl"),
        *arguments,
        env={"PATH": os.environ["PATH"], "HOME": str(cluster.folder), "KUBECONFIG": str(config)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture
async def shop(kubernetes: Cluster) -> Cluster:
    """A cluster in which a Deployment of two replicas is ready."""
    await kubernetes.deploy("web", 2)
    await kubernetes.until_ready("web", 2)
    return kubernetes


async def test_kubectl_shows_a_deployment_with_its_ready_replicas(shop: Cluster) -> None:
    code, output = await kubectl(shop, "get", "deployment", "web")
    assert code == 0, output
    assert output.splitlines()[1].split()[:4] == ["web", "2/2", "2", "2"]


async def test_kubectl_scales_a_deployment(shop: Cluster) -> None:
    assert await kubectl(shop, "scale", "deployment", "web", "--replicas=4") == (
        0,
        "deployment.apps/web scaled\n",
    )
    await shop.until_ready("web", 4)
    code, output = await kubectl(shop, "rollout", "status", "deployment/web", "--timeout=30s")
    assert (code, output) == (0, 'deployment "web" successfully rolled out\n')


async def test_kubectl_scales_only_from_the_count_it_expects(shop: Cluster) -> None:
    arguments = ("scale", "deployment", "web", "--replicas=5")
    code, output = await kubectl(shop, *arguments, "--current-replicas=3")
    assert (code, output) == (1, "error: Expected replicas to be 3, was 2\n")
    code, output = await kubectl(shop, *arguments, "--current-replicas=2")
    assert (code, output) == (0, "deployment.apps/web scaled\n")
    assert await shop.replicas("web") == 5


async def test_kubectl_scales_only_the_version_it_expects(shop: Cluster) -> None:
    old = (await shop.get("web"))["metadata"]["resourceVersion"]
    await shop.scale("web", 3)
    code, output = await kubectl(
        shop, "scale", "deployment", "web", "--replicas=5", f"--resource-version={old}"
    )
    assert code == 1
    assert "Expected resource version" in output
    assert await shop.replicas("web") == 3


async def test_kubectl_scales_a_custom_resource(kubernetes: Cluster) -> None:
    await kubernetes.define_shops()
    await kubernetes.open_shop("main", 2)
    code, output = await kubectl(kubernetes, "scale", "shop", "main", "--replicas=3")
    assert (code, output) == (0, "shop.example.org/main scaled\n")
    assert await kubernetes.replicas("main", "Shop") == 3


async def test_kubectl_shows_the_refusal_of_one_who_may_not(shop: Cluster) -> None:
    reader = await shop.account(
        "reader", [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}]
    )
    code, output = await kubectl(shop, "get", "deployment", "web", token=reader)
    assert code == 0, output
    code, output = await kubectl(shop, "scale", "deployment", "web", "--replicas=9", token=reader)
    assert code == 1
    who, where = f"system:serviceaccount:{shop.namespace}:reader", f'in the namespace "{shop.namespace}"'
    assert output == (
        f'Error from server (Forbidden): deployments.apps "web" is forbidden: User "{who}" cannot patch resource '
        f'"deployments/scale" in API group "apps" {where}\n'
    )
