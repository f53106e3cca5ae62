"""The store as a keeper of memories: one hash a rule and target, fenced by terms, aged by the store's own clock."""

import pytest
from redis.asyncio import Redis

from autoscaler.errors import StoreUnavailable
from autoscaler.keeping.keeper import MemoryKey
from autoscaler.store.connection import open_client
from autoscaler.store.memories import KEPT_FOR_S, StoreMemories, memory_key

WEB = MemoryKey("web", ("apps", "Deployment", "shop", "web"))
API = MemoryKey("api", ("apps", "Deployment", "shop", "api"))


async def text_of(memories: StoreMemories, key: MemoryKey) -> str | None:
    found = await memories.load(key)
    return None if found is None else found.text


async def test_what_was_saved_is_loaded(client: Redis) -> None:
    memories = StoreMemories(client)
    assert await memories.load(WEB) is None
    assert await memories.save({WEB: "of web", API: "of api é"}, term=0) == {}
    assert (await text_of(memories, WEB), await text_of(memories, API)) == ("of web", "of api é")


async def test_the_same_rule_on_another_target_remembers_something_else(client: Redis) -> None:
    memories = StoreMemories(client)
    await memories.save({WEB: "of web"}, term=0)
    for target in (("", "Deployment", "shop", "web"), ("apps", "Deployment", "other", "web")):
        assert await memories.load(MemoryKey("web", target)) is None


async def test_a_lower_term_never_overwrites_a_higher_one(client: Redis) -> None:
    memories = StoreMemories(client)
    await memories.save({WEB: "of the leader"}, term=7)
    assert await memories.save({WEB: "of its predecessor", API: "free"}, term=6) == {WEB: 7}
    assert (await text_of(memories, WEB), await text_of(memories, API)) == ("of the leader", "free")
    assert await memories.save({WEB: "of the leader, later"}, term=7) == {}
    assert await memories.save({WEB: "of its successor"}, term=8) == {}
    assert await text_of(memories, WEB) == "of its successor"


async def test_the_age_is_told_by_the_clock_of_the_store(client: Redis) -> None:
    memories = StoreMemories(client)
    await memories.save({WEB: "old"}, term=0)
    at_us = int(await client.hget(memory_key(WEB), "at_us"))
    await client.hset(memory_key(WEB), "at_us", at_us - 90_000_000)
    found = await memories.load(WEB)
    assert found is not None
    assert found.age_s is not None
    assert 90 <= found.age_s < 120


async def test_a_store_whose_clock_went_back_tells_no_age_below_zero(client: Redis) -> None:
    memories = StoreMemories(client)
    await memories.save({WEB: "of tomorrow"}, term=0)
    at_us = int(await client.hget(memory_key(WEB), "at_us"))
    await client.hset(memory_key(WEB), "at_us", at_us + 86_400_000_000)
    found = await memories.load(WEB)
    assert found is not None
    assert found.age_s == 0


async def test_a_memory_nobody_writes_any_more_goes_by_itself(client: Redis) -> None:
    await StoreMemories(client).save({WEB: "text"}, term=0)
    assert 0 < await client.pttl(memory_key(WEB)) <= KEPT_FOR_S * 1000


async def test_many_are_saved_at_once(client: Redis) -> None:
    memories = StoreMemories(client)
    keys = {MemoryKey(f"rule-{number}", WEB.target): f"text {number}" for number in range(2000)}
    assert await memories.save(keys, term=0) == {}
    assert await client.dbsize() == 2000


async def test_a_store_out_of_reach_is_said_to_be() -> None:
    client = open_client("redis://127.0.0.1:1")
    memories = StoreMemories(client)
    with pytest.raises(StoreUnavailable, match=r"^store: "):
        await memories.load(WEB)
    with pytest.raises(StoreUnavailable, match=r"^store: "):
        await memories.save({WEB: "text"}, term=0)
    await client.aclose()
