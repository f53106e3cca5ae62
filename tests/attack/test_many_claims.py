"""One client asks the store again and again whether it may enter: with a place far back, near its turn, or inside already."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.living import JSON, Living, living
from tests.waitingroom.samples import onsale
from waitingroom.store.client import OnsaleStore

SLOW = {"rate": "0.001/s", "burst": 1}
FAST = {"rate": "200/s", "burst": 200}
LIMITED = {"join_rate_per_s": 0.01, "join_burst": 3}
MINE = "198.51.100.7"


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sessions for which the store was asked."""
    asked: list[str] = []
    claim = OnsaleStore.claim

    async def counted(store: OnsaleStore, epoch: int, position: int, session: str, *more: Any) -> Any:
        asked.append(session)
        return await claim(store, epoch, position, session, *more)

    monkeypatch.setattr(OnsaleStore, "claim", counted)
    return asked


@asynccontextmanager
async def buyer_in(here: Living, address: str, joined_from: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """A buyer with a place, who comes from `address` from then on."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers=JSON) as session:
        headers = {"X-Forwarded-For": joined_from or address}
        async with session.post(f"{here.room}/cactus/join", headers=headers) as joined:
            assert joined.status == 200
        session.headers["X-Forwarded-For"] = address
        yield session


async def enter(here: Living, buyer: aiohttp.ClientSession) -> int:
    async with buyer.post(f"{here.room}/cactus/enter") as answer:
        return answer.status


async def test_a_place_far_back_costs_the_store_nothing(
    tmp_path: Path, store_url: str, client: Redis, claims: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy that is older sends nobody away: where this machine stands still, the store would be asked.
    monkeypatch.setattr("waitingroom.room._FRESH_S", 3_600.0)
    async with living(tmp_path, store_url, onsale(admission=SLOW), **LIMITED) as here:
        room = here.rooms["cactus"]
        assert room.snapshot is not None
        # Many have joined, and the epoch, in whose first moments the store is asked, began a while ago.
        fields = {f"tail:{room.snapshot.epoch}": "900000", "entered_us": "0"}
        await client.hset("{cactus}:room", mapping=fields)
        async with buyer_in(here, MINE) as buyer, asyncio.timeout(20):
            while room.snapshot.waiting < 900_000:
                await asyncio.sleep(0.01)
            assert {await enter(here, buyer) for _ in range(50)} == {409}
    assert claims == []


async def test_a_place_near_its_turn_asks_so_often_and_no_more(
    tmp_path: Path, store_url: str, client: Redis, claims: list[str]
) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SLOW), **LIMITED) as here,
        buyer_in(here, MINE) as first,
        buyer_in(here, MINE) as second,
        buyer_in(here, "198.51.100.8") as other,
    ):
        await client.hset("{cactus}:room", "tokens", "1")
        assert await enter(here, first) == 200
        assert [await enter(here, second) for _ in range(8)] == [409] * 3 + [429] * 5
        assert len(claims) == 4
        # Others are not held up, be it from another address or by a proxy that names nobody.
        assert await enter(here, other) == 409
        async with second.post(f"{here.room}/cactus/enter") as answer:
            assert int(answer.headers["Retry-After"]) > 0
            assert (await answer.json())["title"] == "Too many tries"


async def test_many_of_one_address_enter_when_their_turn_comes_but_only_once_each(
    tmp_path: Path, store_url: str, client: Redis, claims: list[str]
) -> None:
    async with living(tmp_path, store_url, onsale(admission=FAST), **LIMITED) as here:
        await client.hset("{cactus}:room", "tokens", "100")
        for number in range(8):
            async with buyer_in(here, MINE, f"198.51.100.{100 + number}") as buyer:
                assert await enter(here, buyer) == 200
        async with buyer_in(here, MINE, "198.51.100.200") as buyer:
            assert [await enter(here, buyer) for _ in range(6)] == [200] * 4 + [429] * 2


async def test_no_limit_is_no_limit(tmp_path: Path, store_url: str, client: Redis, claims: list[str]) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SLOW), join_rate_per_s=0.0) as here,
        buyer_in(here, MINE),
        buyer_in(here, MINE) as second,
    ):
        assert {await enter(here, second) for _ in range(250)} == {409}
    assert len(claims) == 250
