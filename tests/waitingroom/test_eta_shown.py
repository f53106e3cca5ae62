"""The expected wait and the reason for its growth, as buyers and pages get them over real HTTP."""

import asyncio
import json
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from tests.waitingroom.living import HTML, Living, living
from tests.waitingroom.samples import onsale

SLOW = {"rate": "0.5/s", "burst": 1, "claimWithin": "30s"}


async def line_of(here: Living, client: Redis, waiting: int) -> None:
    """Put so many in line, and wait until this process has seen them."""
    epoch = await client.hget("{cactus}:room", "epoch")
    await client.hincrby("{cactus}:room", f"tail:{epoch}", waiting)
    room = here.rooms["cactus"]
    async with asyncio.timeout(20):
        while not (room.snapshot and room.snapshot.waiting >= waiting - 5):
            await asyncio.sleep(0.01)


async def join(buyer: aiohttp.ClientSession, here: Living) -> None:
    async with buyer.post(f"{here.room}/cactus/join") as answer:
        assert answer.status == 200


async def test_status_state_events_and_page_tell_the_wait(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SLOW)) as here, here.buyer() as buyer:
        await line_of(here, client, 600)
        await join(buyer, here)
        async with buyer.get(f"{here.room}/cactus/status") as answer:
            status = await answer.json()
        low, high = status["eta_s"]
        assert low < status["ahead"] / 0.5 < high
        assert status["eta_reason"] is None
        async with buyer.get(f"{here.room}/cactus/state") as answer:
            state = await answer.json()
        assert state["eta_s"][0] < state["waiting"] / 0.5 < state["eta_s"][1]
        async with buyer.get(f"{here.room}/cactus/events") as events:
            async for line in events.content:
                if line.startswith(b"data: "):
                    frame = json.loads(line[6:])
                    break
        eta = frame["eta"]
        assert len(eta["ahead"]) == len(eta["low_s"]) == len(eta["high_s"]) > 2
        assert frame["eta_reason"] is None
        async with asyncio.timeout(30):
            while True:
                async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
                    text = await page.text()
                async with buyer.get(f"{here.room}/cactus/status") as answer:
                    low_after, _ = (await answer.json())["eta_s"]
                # Unless the wait has become a minute shorter in between.
                if low_after // 60 == low // 60:
                    break
                low = low_after
        assert f">{low // 60:.0f} to " in text


async def test_a_line_that_slows_down_says_why(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SLOW)) as here, here.buyer() as buyer:
        await line_of(here, client, 600)
        await join(buyer, here)
        await client.hset("{cactus}:room", "ops_rate", "0.1")
        async with asyncio.timeout(20):
            while here.rooms["cactus"].eta.slowdown is None:
                await asyncio.sleep(0.01)
        async with buyer.get(f"{here.room}/cactus/status") as answer:
            reason = (await answer.json())["eta_reason"]
        assert reason["code"] == "operator"
        assert reason["rate_per_s"] < reason["usual_per_s"]
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
            assert "The shop lets fewer people in. Buyers let in per minute: " in await page.text()
        async with buyer.get(f"{here.room}/cactus/state") as answer:
            assert (await answer.json())["eta_reason"]["code"] == "operator"
