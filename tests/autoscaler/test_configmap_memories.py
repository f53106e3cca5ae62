"""ConfigMaps as a keeper of memories, on an API server: fenced by terms, written whole in the version seen, few and bounded."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest

from autoscaler.clock import Clock, SystemClock
from autoscaler.errors import Forbidden, KubernetesError, Unreachable
from autoscaler.keeping.keeper import Found, MemoryKey
from autoscaler.kubernetes.memories import (
    FRESH_S,
    KEPT_FOR_S,
    MAX_BYTES,
    SHARDS,
    TERM,
    ConfigMapMemories,
    field_of,
    open_memories,
    shard_of,
)
from rulebook.kept import Kept, write_kept
from rulebook.memory import Memory
from tests.autoscaler.clusters import settings_for
from tests.autoscaler.fakes import ManualClock
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real
from tests.autoscaler.kubernetes_api.statuses import Json

__all__ = ["kubernetes", "little", "real"]

WEB = MemoryKey("web", ("apps", "Deployment", "shop", "web"))
RIGHTS: Json = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update"]}


def kept(key: MemoryKey, replicas: int, ago_s: float = 0.0) -> str:
    return write_kept(Kept(key.target, replicas, SystemClock().now_s() - ago_s, Memory()))


class Keepers:
    """Makes keepers with a client of their own, as other processes have them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._made = itertools.count()

    async def of(
        self, cluster: Cluster, right: Json = RIGHTS, clock: Clock | None = None
    ) -> ConfigMapMemories:
        token = await cluster.account(f"scaler-{next(self._made)}", [right])
        settings = settings_for(cluster.kubeconfig(token), namespace=cluster.namespace)
        return await self._stack.enter_async_context(open_memories(settings, clock or SystemClock()))


@pytest.fixture
async def keepers() -> AsyncIterator[Keepers]:
    async with AsyncExitStack() as stack:
        yield Keepers(stack)


async def shard(cluster: Cluster, key: MemoryKey = WEB) -> Json:
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/tidegate-memory-{shard_of(key)}"
    return await cluster.admin.get(path)


async def text_of(memories: ConfigMapMemories, key: MemoryKey = WEB) -> str | None:
    found = await memories.load(key)
    assert found is None or isinstance(found, Found)
    return None if found is None else found.text


async def test_what_one_process_saved_another_loads(kubernetes: Cluster, keepers: Keepers) -> None:
    memories = await keepers.of(kubernetes)
    assert await memories.load(WEB) is None
    text = kept(WEB, 5)
    assert await memories.save({WEB: text}, term=3) == {}
    assert await text_of(await keepers.of(kubernetes)) == text
    assert (await shard(kubernetes))["metadata"]["annotations"][TERM] == "3"


async def test_a_lower_term_never_overwrites_a_higher_one(kubernetes: Cluster, keepers: Keepers) -> None:
    frozen, leader = await keepers.of(kubernetes), await keepers.of(kubernetes)
    await frozen.save({WEB: kept(WEB, 1)}, term=6)
    text = kept(WEB, 9)
    assert await leader.save({WEB: text}, term=7) == {}
    assert await frozen.save({WEB: kept(WEB, 2)}, term=6) == {WEB: 7}
    assert await frozen.save({WEB: kept(WEB, 2)}, term=6) == {WEB: 7}
    assert await text_of(await keepers.of(kubernetes)) == text


async def test_what_others_change_in_between_is_kept(kubernetes: Cluster, keepers: Keepers) -> None:
    memories = await keepers.of(kubernetes)
    await memories.save({WEB: kept(WEB, 1)}, term=0)
    found = await shard(kubernetes)
    found["metadata"]["labels"] = {"team": "ops"}
    found["data"]["note.of.ops"] = kept(WEB, 77)
    path = f"/api/v1/namespaces/{kubernetes.namespace}/configmaps/{found['metadata']['name']}"
    await kubernetes.admin.replace(path, found)
    await memories.save({WEB: kept(WEB, 2)}, term=0)
    after = await shard(kubernetes)
    assert after["metadata"]["labels"] == {"team": "ops"}
    assert set(after["data"]) == {field_of(WEB), "note.of.ops"}
    await kubernetes.admin.delete(path)
    text = kept(WEB, 3)
    await memories.save({WEB: text}, term=0)
    assert (await shard(kubernetes))["data"] == {field_of(WEB): text}


async def test_a_thousand_rules_take_a_few_objects_and_as_few_writes(
    little: Cluster, keepers: Keepers
) -> None:
    memories = await keepers.of(little)
    keys = [MemoryKey(f"rule-{number}", WEB.target) for number in range(1000)]
    assert await memories.save({key: kept(key, 5) for key in keys}, term=0) == {}
    listed = await little.admin.get(f"/api/v1/namespaces/{little.namespace}/configmaps")
    ours = [item for item in listed["items"] if item["metadata"]["name"].startswith("tidegate-memory-")]
    assert len(ours) == SHARDS
    assert sum(len(item["data"]) for item in ours) == 1000
    successor = await keepers.of(little)
    found = await asyncio.gather(*(successor.load(key) for key in keys))
    assert all(found)


async def test_memories_of_rules_long_gone_are_dropped(kubernetes: Cluster, keepers: Keepers) -> None:
    gone = next(
        key
        for key in (MemoryKey(f"gone-{number}", WEB.target) for number in range(100))
        if shard_of(key) == shard_of(WEB)
    )
    await (await keepers.of(kubernetes)).save({gone: kept(gone, 1, ago_s=KEPT_FOR_S + 60)}, term=0)
    await (await keepers.of(kubernetes)).save({WEB: kept(WEB, 1)}, term=0)
    assert set((await shard(kubernetes))["data"]) == {field_of(WEB)}


async def test_more_than_a_configmap_holds_is_refused_before_it_is_sent(
    little: Cluster, keepers: Keepers
) -> None:
    with pytest.raises(KubernetesError, match="would take"):
        await (await keepers.of(little)).save({WEB: "x" * (MAX_BYTES + 1)}, term=0)


async def test_a_missing_right_is_named(kubernetes: Cluster, keepers: Keepers) -> None:
    reader: Json = {**RIGHTS, "verbs": ["get"]}
    with pytest.raises(Forbidden, match="create"):
        await (await keepers.of(kubernetes, reader)).save({WEB: kept(WEB, 1)}, term=0)


async def test_a_connection_that_breaks_in_mid_write_leaves_nothing_half_written(
    little: Cluster, keepers: Keepers
) -> None:
    memories = await keepers.of(little)
    await memories.save({WEB: kept(WEB, 1)}, term=0)
    for kind in (Kind.CUT, Kind.CUT_AFTER):
        little.server.faults.order(Fault(kind, times=None, verb="update", resource="configmaps"))
        with suppress(KubernetesError):  # the client library sends a PUT again by itself, once
            await memories.save({WEB: kept(WEB, 2)}, term=0)
        little.server.faults.clear()
        text = kept(WEB, 3)
        assert await memories.save({WEB: text}, term=0) == {}
        assert (await shard(little))["data"] == {field_of(WEB): text}


async def test_an_api_server_out_of_reach_is_said_to_be(little: Cluster, keepers: Keepers) -> None:
    memories = await keepers.of(little)
    await little.server.stop()
    with pytest.raises(Unreachable):
        await memories.load(WEB)
    with pytest.raises(Unreachable):
        await memories.save({WEB: kept(WEB, 1)}, term=0)


async def test_a_configmap_that_keeps_changing_is_given_up_for_now(little: Cluster, keepers: Keepers) -> None:
    memories = await keepers.of(little)
    await memories.save({WEB: kept(WEB, 1)}, term=0)
    little.server.faults.order(Fault(Kind.CHANGED, times=None, verb="update", resource="configmaps"))
    with pytest.raises(KubernetesError):
        await memories.save({WEB: kept(WEB, 2)}, term=0)
    little.server.faults.clear()
    assert await memories.save({WEB: kept(WEB, 2)}, term=0) == {}


async def test_what_was_read_a_moment_ago_is_not_taken_for_the_present(
    little: Cluster, keepers: Keepers
) -> None:
    clock = ManualClock()
    memories = await keepers.of(little, clock=clock)
    assert await memories.load(WEB) is None
    text = kept(WEB, 4, ago_s=SystemClock().now_s() - clock.now_s())
    await (await keepers.of(little)).save({WEB: text}, term=0)
    clock.advance(FRESH_S + 1)
    assert await text_of(memories) == text
