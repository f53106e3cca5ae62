"""Anything with a `scale` subresource as a target: what is read of it, and what is written to it."""

import pytest

from autoscaler.errors import Conflict, Missing, TargetError
from autoscaler.targets.kubernetes import PodsWanted
from tests.autoscaler.clusters import open_bench
from tests.autoscaler.kubernetes_api.cluster import CUSTOM_KIND, Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, real

__all__ = ["kubernetes", "real"]

KINDS = ["Deployment", "StatefulSet", "ReplicaSet", CUSTOM_KIND]


async def make(cluster: Cluster, kind: str, name: str = "web", replicas: int = 3) -> None:
    if kind == CUSTOM_KIND:
        await cluster.define_shops()
        await cluster.open_shop(name, replicas)
    else:
        await cluster.deploy(name, replicas, kind)
    await cluster.until_ready(name, replicas, kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_count_and_ready_replicas_are_read(kubernetes: Cluster, kind: str) -> None:
    await make(kubernetes, kind)
    async with open_bench(kubernetes, "web", kind) as bench:
        state = await bench.target.current()
        assert (state.replicas, state.ready, state.endpoints, state.obstacle) == (3, 3, (), "")
        assert bench.target.name == f"{kind} {kubernetes.namespace}/web"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_written_count_becomes_replicas(kubernetes: Cluster, kind: str) -> None:
    await make(kubernetes, kind, replicas=2)
    async with open_bench(kubernetes, "web", kind) as bench:
        await bench.target.scale(5, await bench.target.current())
        await kubernetes.until_ready("web", 5, kind)
        state = await bench.target.current()
        assert state.replicas == 5


@pytest.mark.parametrize("kind", KINDS)
async def test_a_target_goes_to_zero_and_comes_back(kubernetes: Cluster, kind: str) -> None:
    await make(kubernetes, kind, replicas=1)
    async with open_bench(kubernetes, "web", kind) as bench:
        await bench.target.scale(0, await bench.target.current())
        await kubernetes.until_ready("web", 0, kind)
        state = await bench.target.current()
        assert state.replicas == 0
        await bench.target.scale(1, await bench.target.current())
        await kubernetes.until_ready("web", 1, kind)


async def test_a_write_decided_on_an_older_version_is_refused(kubernetes: Cluster) -> None:
    await make(kubernetes, "Deployment", replicas=2)
    async with open_bench(kubernetes, "web") as bench:
        state = await bench.target.current()
        await kubernetes.scale("web", 7)
        with pytest.raises(Conflict):
            await bench.target.scale(4, state)
        assert await kubernetes.replicas("web") == 7


async def test_no_write_goes_out_when_the_check_forbids_it(kubernetes: Cluster) -> None:
    await make(kubernetes, "Deployment", replicas=2)

    def refuse() -> None:
        raise TargetError("not leading")

    async with open_bench(kubernetes, "web", check=refuse) as bench:
        state = await bench.target.current()
        with pytest.raises(TargetError, match="not leading"):
            await bench.target.scale(4, state)
        assert await kubernetes.replicas("web") == 2


async def test_endpoints_are_the_ready_pods_at_the_port_they_declare(kubernetes: Cluster) -> None:
    await make(kubernetes, "Deployment", replicas=2)
    addresses = {pod["status"]["podIP"] for pod in await kubernetes.pods("web")}
    async with open_bench(kubernetes, "web", pods_wanted=PodsWanted()) as bench:
        state = await bench.target.current()
        assert state.endpoints == tuple(sorted(f"http://{address}:8080" for address in addresses))
        assert state.ready == 2


async def test_endpoints_are_at_the_port_which_the_rule_names(kubernetes: Cluster) -> None:
    await make(kubernetes, "Deployment", replicas=1)
    async with open_bench(kubernetes, "web", pods_wanted=PodsWanted(9102)) as bench:
        (endpoint,) = (await bench.target.current()).endpoints
        assert endpoint.endswith(":9102")
        bench.target.want_pods(PodsWanted("metrics"))
        assert (await bench.target.current()).endpoints == ()


async def test_pods_of_others_are_not_counted(kubernetes: Cluster) -> None:
    await make(kubernetes, CUSTOM_KIND, replicas=2)
    await make_other(kubernetes)
    async with open_bench(kubernetes, "web", CUSTOM_KIND) as bench:
        assert (await bench.target.current()).ready == 2


async def make_other(cluster: Cluster) -> None:
    await cluster.deploy("other", 3)
    await cluster.until_ready("other", 3)


async def test_an_object_that_does_not_exist_is_missing(kubernetes: Cluster) -> None:
    async with open_bench(kubernetes, "nobody") as bench:
        with pytest.raises(Missing, match=r'deployments\.apps "nobody" not found'):
            await bench.target.current()


async def test_a_kind_nobody_knows_is_missing_until_it_is_defined(kubernetes: Cluster) -> None:
    async with open_bench(kubernetes, "web", CUSTOM_KIND) as bench:
        with pytest.raises(Missing, match=r"Shop .*/web: the API server does not serve example.org/v1"):
            await bench.target.current()
        await make(kubernetes, CUSTOM_KIND, replicas=2)
        assert (await bench.target.current()).replicas == 2


async def test_fencing_invalidates_what_was_decided_before(kubernetes: Cluster) -> None:
    await make(kubernetes, "Deployment", replicas=2)
    async with open_bench(kubernetes, "web") as bench:
        frozen = await bench.target.current()
        await bench.target.fence(7)
        with pytest.raises(Conflict):
            await bench.target.scale(9, frozen)
        annotations = (await kubernetes.get("web"))["metadata"]["annotations"]
        assert annotations["tidegate.dev/leader-term"] == "7"


async def test_a_term_is_never_put_back(kubernetes: Cluster) -> None:
    await make(kubernetes, "Deployment", replicas=2)
    async with open_bench(kubernetes, "web") as bench:
        await bench.target.fence(7)
        version = (await bench.target.current()).version
        await bench.target.fence(7)
        assert (await bench.target.current()).version == version
        with pytest.raises(TargetError, match="a leader of term 7 has taken over from term 6"):
            await bench.target.fence(6)
