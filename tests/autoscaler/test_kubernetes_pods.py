"""The stand-ins for controllers and kubelet: pods come, become ready, and go."""

from contextlib import AsyncExitStack

from tests.autoscaler.fakes import ManualClock
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import little
from tests.autoscaler.kubernetes_api.workloads import Workloads, is_ready

__all__ = ["little"]


async def test_pods_are_ready_when_their_start_up_time_has_passed(
    little: Cluster, clock: ManualClock
) -> None:
    async with AsyncExitStack() as stack:
        await little.workloads.stop()
        await stack.enter_async_context(Workloads(little.admin, start_s=30, clock=clock).running())
        await little.deploy("web", 3)
        await little.eventually(lambda: little.pods("web"), lambda pods: len(pods) == 3)
        await little.eventually(lambda: sleepers(clock), lambda count: count == 3)
        clock.advance(29)
        assert await little.ready("web") == 0
        clock.advance(1)
        await little.until_ready("web", 3)
    addresses = {pod["status"]["podIP"] for pod in await little.pods("web")}
    assert len(addresses) == 3
    assert all(address.startswith("127.1.") for address in addresses)


async def sleepers(clock: ManualClock) -> int:
    return len(clock.sleeping_until_s)


async def test_a_killed_pod_is_replaced(little: Cluster) -> None:
    await little.deploy("web", 2)
    await little.until_ready("web", 2)
    gone = (await little.pods("web"))[0]["metadata"]["name"]
    await little.workloads.kill(little.namespace, gone)
    await little.eventually(
        lambda: little.pods("web"),
        lambda pods: len(pods) == 2 and gone not in [pod["metadata"]["name"] for pod in pods],
    )
    await little.until_ready("web", 2)


async def test_a_pod_that_fails_its_probe_is_not_ready(little: Cluster) -> None:
    await little.deploy("web", 2)
    await little.until_ready("web", 2)
    name = (await little.pods("web"))[0]["metadata"]["name"]
    await little.workloads.set_ready(little.namespace, name, False)
    await little.until_ready("web", 1)
    assert [is_ready(pod) for pod in await little.pods("web")].count(True) == 1
    assert await little.replicas("web") == 2


async def test_fewer_replicas_end_the_pods_that_are_not_ready_first(little: Cluster) -> None:
    await little.deploy("web", 3)
    await little.until_ready("web", 3)
    name = (await little.pods("web"))[0]["metadata"]["name"]
    await little.workloads.set_ready(little.namespace, name, False)
    await little.until_ready("web", 2)
    await little.scale("web", 2)
    await little.eventually(lambda: little.pods("web"), lambda pods: len(pods) == 2)
    assert name not in [pod["metadata"]["name"] for pod in await little.pods("web")]
    assert await little.ready("web") == 2


async def test_a_status_counts_what_is_there(little: Cluster) -> None:
    await little.deploy("web", 2)
    await little.until_ready("web", 2)
    status = (await little.get("web"))["status"]
    assert status == {
        "replicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "updatedReplicas": 2,
        "observedGeneration": 1,
    }
