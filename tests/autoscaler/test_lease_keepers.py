"""A lease is kept alike in the store and in Kubernetes: written only in the form that was seen, and never lost in part."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from autoscaler.clock import SystemClock
from autoscaler.errors import AutoscalerError, Forbidden, LeaseTaken, StoreUnavailable, Unreachable
from autoscaler.kubernetes.access import KubeconfigAccess
from autoscaler.kubernetes.client import KubernetesClient
from autoscaler.kubernetes.lease import KubernetesLease
from autoscaler.leadership.elector import LeaseKeeper
from autoscaler.leadership.lease import Lease
from autoscaler.store.connection import open_client
from autoscaler.store.lease import StoreLease, lease_key
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real

__all__ = ["kubernetes", "little", "real"]

LEASE_RULES = (
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
)
FIRST = Lease("one", 0, 15.0, 1_800_000_000.25, 1_800_000_000.25)


@pytest.fixture
async def in_kubernetes(kubernetes: Cluster) -> AsyncIterator[KubernetesLease]:
    """A keeper that has no more rights than it needs."""
    config = kubernetes.kubeconfig(await kubernetes.account("scaler", LEASE_RULES))
    client = KubernetesClient(KubeconfigAccess(config), SystemClock())
    yield KubernetesLease(client, kubernetes.namespace, "leader")
    await client.close()


@pytest.fixture(params=["store", "kubernetes"])
def keeper(request: pytest.FixtureRequest) -> LeaseKeeper:
    if request.param == "store":
        return StoreLease(request.getfixturevalue("client"), "leader")
    found: LeaseKeeper = request.getfixturevalue("in_kubernetes")
    return found


async def test_there_is_no_lease_before_the_first(keeper: LeaseKeeper) -> None:
    assert await keeper.read() is None


async def test_a_lease_is_read_as_it_was_written(keeper: LeaseKeeper) -> None:
    written = await keeper.write(FIRST, None)
    assert replace(written, version="") == FIRST
    assert await keeper.read() == written


async def test_a_second_first_lease_is_refused(keeper: LeaseKeeper) -> None:
    written = await keeper.write(FIRST, None)
    with pytest.raises(LeaseTaken):
        await keeper.write(replace(FIRST, holder="other"), None)
    assert await keeper.read() == written


async def test_a_lease_seen_in_an_older_form_is_not_overwritten(keeper: LeaseKeeper) -> None:
    first = await keeper.write(FIRST, None)
    second = await keeper.write(replace(first, holder="", renewed_at_s=1_800_000_009.5), first)
    with pytest.raises(LeaseTaken):
        await keeper.write(replace(first, renewed_at_s=1_800_000_010.0), first)
    assert await keeper.read() == second
    third = await keeper.write(replace(second, holder="other", term=1), second)
    assert (third.holder, third.term) == ("other", 1)


async def test_a_lease_in_the_store_that_was_deleted_is_taken(client: Redis) -> None:
    keeper = StoreLease(client, "leader")
    first = await keeper.write(FIRST, None)
    await client.delete(lease_key("leader"))
    with pytest.raises(LeaseTaken):
        await keeper.write(first, first)


async def test_a_lease_in_kubernetes_that_was_deleted_is_taken(
    kubernetes: Cluster, in_kubernetes: KubernetesLease
) -> None:
    first = await in_kubernetes.write(FIRST, None)
    await kubernetes.admin.delete(
        f"/apis/coordination.k8s.io/v1/namespaces/{kubernetes.namespace}/leases/leader"
    )
    with pytest.raises(LeaseTaken):
        await in_kubernetes.write(first, first)


async def test_leases_of_other_names_are_others(client: Redis) -> None:
    await StoreLease(client, "leader").write(FIRST, None)
    assert await StoreLease(client, "staging").read() is None


async def test_a_lease_in_kubernetes_says_what_all_tools_read(
    kubernetes: Cluster, in_kubernetes: KubernetesLease
) -> None:
    await in_kubernetes.write(replace(FIRST, duration_s=2.5), None)
    spec = await kubernetes.lease("leader")
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec.get("leaseTransitions", 0)) == (
        "one",
        3,
        0,
    )
    for name in ("acquireTime", "renewTime"):
        assert datetime.fromisoformat(spec[name]).timestamp() == FIRST.renewed_at_s


async def test_what_others_put_on_the_lease_stays(
    kubernetes: Cluster, in_kubernetes: KubernetesLease
) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{kubernetes.namespace}/leases/leader"
    await in_kubernetes.write(FIRST, None)
    await kubernetes.admin.merge(
        path, {"metadata": {"labels": {"team": "tickets"}, "annotations": {"a": "b"}}}
    )
    seen = await in_kubernetes.read()
    assert seen is not None
    await in_kubernetes.write(replace(seen, term=1), seen)
    metadata = (await kubernetes.admin.get(path))["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"team": "tickets"}, {"a": "b"})


async def test_a_lease_of_client_go_is_understood(
    kubernetes: Cluster, in_kubernetes: KubernetesLease
) -> None:
    """It leaves out what is empty, and its times have nothing after the full second at times."""
    spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": "2026-12-05T10:00:00.000000Z"}
    path = f"/apis/coordination.k8s.io/v1/namespaces/{kubernetes.namespace}/leases"
    await kubernetes.admin.create(path, {"metadata": {"name": "leader"}, "spec": spec})
    lease = await in_kubernetes.read()
    assert lease is not None
    assert (lease.holder, lease.term, lease.duration_s) == ("", 0, 1.0)


async def test_a_lease_without_the_right_to_it_says_which_is_missing(kubernetes: Cluster) -> None:
    config = kubernetes.kubeconfig(await kubernetes.account("nobody", []))
    client = KubernetesClient(KubeconfigAccess(config), SystemClock())
    try:
        with pytest.raises(
            Forbidden, match=r'cannot get resource "leases" in API group "coordination\.k8s\.io"'
        ):
            await KubernetesLease(client, kubernetes.namespace, "leader").read()
    finally:
        await client.close()


async def test_a_lease_out_of_reach_is_an_error_and_not_none(little: Cluster, tmp_path: Path) -> None:
    config = little.kubeconfig(await little.account("scaler", LEASE_RULES))
    client = KubernetesClient(KubeconfigAccess(config), SystemClock())
    little.server.faults.order(Fault(Kind.ERROR, times=None, resource="leases"))
    stores = open_client(f"unix://{tmp_path}/none.sock")
    away: tuple[tuple[LeaseKeeper, type[AutoscalerError]], ...] = (
        (KubernetesLease(client, little.namespace, "leader"), Unreachable),
        (StoreLease(stores, "leader"), StoreUnavailable),
    )
    try:
        for keeper, error in away:
            with pytest.raises(error):
                await keeper.read()
            with pytest.raises(error):
                await keeper.write(FIRST, None)
    finally:
        await client.close()
        await stores.aclose()


async def test_a_lease_in_the_store_which_is_none_says_what_to_do(client: Redis) -> None:
    await client.hset(lease_key("leader"), mapping={"holder": "one", "term": "first"})
    with pytest.raises(StoreUnavailable, match="delete it"):
        await StoreLease(client, "leader").read()
