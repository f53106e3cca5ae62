"""P1 and P2: the store knows a device for two minutes after it joined, and nothing of it two minutes after the last join."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from tests.waitingroom.samples import device, settings
from tests.waitingroom.virtual_store import SECOND, VirtualStore
from waitingroom.store.client import OnsaleStore

MINUTE_US = 1_700_000_040 * SECOND
"""The beginning of a slot."""


@pytest.fixture
def store(store_url: str) -> Iterator[VirtualStore]:
    store = VirtualStore(store_url, "cactus")
    store.empty()
    store.set_clock(MINUTE_US)
    store.do(store.scripts.configure(settings()))
    yield store
    store.close()


async def test_nonces_are_gone_two_minutes_after_the_last_join(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings())
    await store.join([device(1)])
    (slot,) = [key async for key in client.scan_iter("{cactus}:devices:*")]
    await client.expire(slot, 1)
    await store.join([device(2)])
    slots = [key async for key in client.scan_iter("{cactus}:devices:*")]
    lives_ms = [await client.pttl(slot) for slot in slots]
    assert 60_000 < max(lives_ms) <= 120_000


@pytest.mark.parametrize("into_s", [0.0, 0.5, 30.0, 59.9])
def test_a_device_is_known_for_two_minutes(store: VirtualStore, into_s: float) -> None:
    joined_us = MINUTE_US + int(into_s * SECOND)
    store.set_clock(joined_us)
    (first,) = store.do(store.scripts.join([device(1)]))
    for later_s in (1, 60, 119.9):
        store.set_clock(joined_us + int(later_s * SECOND))
        again, other = store.do(store.scripts.join([device(1), device(int(later_s * 100))]))
        assert (again.epoch, again.number) == (first.epoch, first.number)
        assert other.number > first.number
