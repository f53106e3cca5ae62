"""Two onsales of one process: the rush to one takes nothing from the other's line."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis

from rulebook import Onsale
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale
from waitingroom.snapshot import Snapshot

RATE_PER_S = 20.0
# A bucket that never runs over, so that the count is exact however seldom this process gets to run.
QUIET = {"rate": f"{RATE_PER_S:g}/s", "burst": 10_000, "claimWithin": "2h"}
RUSH = {"rate": "5/s", "burst": 5, "claimWithin": "2h"}
CLIENTS, JOINS = 20, 30
LINE = 5_000


def sales() -> tuple[Onsale, Onsale]:
    return (
        onsale("quiet", admission=QUIET, protect=[{"path": "/quiet"}]),
        onsale("rush", admission=RUSH, protect=[{"path": "/rush"}]),
    )


def seen(here: Living, name: str) -> Snapshot:
    snapshot = here.rooms[name].snapshot
    assert snapshot is not None
    return snapshot


async def later(here: Living, name: str) -> Snapshot:
    """Return a copy of the counters that is taken after this call."""
    before = seen(here, name)
    async with asyncio.timeout(60):
        while seen(here, name) is before:
            await asyncio.sleep(0.01)
    return seen(here, name)


async def join(here: Living, name: str, times: int) -> list[int]:
    """Have as many new buyers join, one after another; returns their numbers."""
    numbers = []
    for _ in range(times):
        async with here.buyer() as buyer, buyer.post(f"{here.room}/{name}/join") as answer:
            assert answer.status == 200
            numbers.append((await answer.json())["number"])
    return numbers


async def test_while_one_onsale_is_rushed_the_other_releases_exactly_at_its_rate_and_loses_nobody(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, *sales()) as here, here.buyer() as waiting:
        epoch = await client.hget("{quiet}:room", "epoch")
        await client.hset("{quiet}:room", mapping={f"tail:{epoch}": LINE, "tokens": 0})
        async with waiting.post(f"{here.room}/quiet/join") as answer:
            assert (await answer.json())["number"] == LINE + 1
        begin = await later(here, "quiet")
        given = await asyncio.gather(*(join(here, "rush", JOINS) for _ in range(CLIENTS)))
        end = await later(here, "quiet")

        numbers = sorted(number for each in given for number in each)
        assert numbers == list(range(1, CLIENTS * JOINS + 1))
        due = RATE_PER_S * (end.at_s - begin.at_s)
        assert abs(end.released - begin.released - due) <= 1.0
        assert end.tail == LINE + 1
        assert (await later(here, "rush")).tail == CLIENTS * JOINS
        async with waiting.get(f"{here.room}/quiet/status") as answer:
            status = await answer.json()
        assert (status["number"], status["state"]) == (LINE + 1, "waiting")
