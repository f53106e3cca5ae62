"""What a room tells Prometheus: what stands in the store, what buyers asked of this process, and how its store answers."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from tests.stores import Valkey
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale
from waitingroom.metrics import RATE_REASONS, rate_reason
from waitingroom.snapshot import Snapshot, read_snapshot

PREFIX = "tidegate_queue_"
SLOW = {"rate": "0.01/s", "burst": 1, "capacity": 7}


async def figures(here: Living) -> dict[tuple[str, ...], float]:
    """Scrape, and return the samples by name and label values, in the order of the labels' names."""
    async with aiohttp.ClientSession() as session, session.get(f"{here.room}/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name.removeprefix(PREFIX), *dict(sorted(sample.labels.items())).values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_line_shows_in_the_metrics(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission={**SLOW, "rate": "0.5/s"})) as here:
        for _ in range(4):
            async with here.buyer() as buyer:
                await buyer.post(f"{here.room}/cactus/join")
        room = here.rooms["cactus"]
        async with asyncio.timeout(20):
            while room.snapshot is None or room.snapshot.released < 1 or room.snapshot.tail < 4:
                await asyncio.sleep(0.02)
        seen = await figures(here)
        assert seen["joins_total", "cactus"] == 4
        assert seen["released_total", "cactus"] >= 1
        assert seen["released_total", "cactus"] + seen["waiting", "cactus"] == 4
        assert seen["outstanding", "cactus"] == seen["released_total", "cactus"]
        assert seen["capacity", "cactus"] == 7
        assert seen["rate_per_second", "cactus"] == seen["rate_ceiling_per_second", "cactus"] == 0.5
        assert seen["rate_reason", "cactus", "document"] == 1
        assert ("opens_timestamp_seconds", "cactus") not in seen
        assert ("draw_published", "cactus") not in seen


async def test_how_often_the_last_in_line_asks_shows_in_the_metrics(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SLOW)) as here:
        room = here.rooms["cactus"]
        assert room.snapshot is not None
        await client.hset("{cactus}:room", f"tail:{room.snapshot.epoch}", 400_000)
        async with asyncio.timeout(20):
            while room.snapshot.tail < 400_000:
                await asyncio.sleep(0.02)
        seen = await figures(here)
        waiting = int(seen["waiting", "cactus"])
        assert seen["poll_interval_seconds", "cactus"] == pytest.approx(
            room.asking.interval_s(waiting), rel=0.01
        )
        assert seen["poll_interval_seconds", "cactus"] > 10 * room.asking.interval_s(0)


async def test_who_claimed_who_missed_the_turn_and_who_came_late_are_told_apart(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    """Six are let in: four claim, one of whom leaves; two do not, one of whom comes back, too late."""
    closes = datetime.now(UTC) + timedelta(hours=1)
    admission = {"rate": "200/s", "burst": 9, "claimWithin": "1h"}
    document = onsale(admission=admission, closes=closes.isoformat())
    async with living(tmp_path, store_url, document) as here, AsyncExitStack() as closing:
        buyers = [await closing.enter_async_context(here.buyer()) for _ in range(6)]
        for buyer in buyers:
            await buyer.post(f"{here.room}/cactus/join")
        async with asyncio.timeout(20):
            while (await figures(here))["released_total", "cactus"] < 6:
                await asyncio.sleep(0.02)
        for buyer in buyers[:4]:
            async with buyer.post(f"{here.room}/cactus/enter") as entered:
                assert entered.status == 200, await entered.text()
        async with asyncio.timeout(20):
            while (seen := await figures(here))["claimed_total", "cactus"] < 4 or seen[
                "tokens", "cactus"
            ] < 9:
                await asyncio.sleep(0.02)
        assert seen["outstanding", "cactus"] == 2
        assert seen["no_shows_total", "cactus"] == 0
        await client.zpopmin("{cactus}:sessions")
        # The window is over for whoever has not claimed, and nobody is let in from here on.
        await client.hset("{cactus}:room", mapping={"claim_us": "1", "hold": "a break"})
        async with asyncio.timeout(20):
            while (await figures(here))["no_shows_total", "cactus"] < 2:
                await asyncio.sleep(0.02)
        async with buyers[4].post(f"{here.room}/cactus/enter") as entered:
            assert entered.status != 200
        async with asyncio.timeout(20):
            while not (seen := await figures(here))["late", "cactus"]:
                await asyncio.sleep(0.02)
        names = (
            "released_total",
            "claimed_total",
            "sessions",
            "no_shows_total",
            "late",
            "outstanding",
            "waiting",
            "tokens",
        )
        # On hold the rate is 0, so the bucket holds no more than the burst.
        assert [seen[name, "cactus"] for name in names] == [6, 4, 3, 2, 1, 0, 0, 9]
        assert seen["closes_timestamp_seconds", "cactus"] == pytest.approx(closes.timestamp(), abs=1)


async def test_questions_are_counted_whichever_way_they_are_answered(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SLOW)) as here, here.buyer() as buyer:
        await buyer.post(f"{here.room}/cactus/join")
        await buyer.get(f"{here.room}/cactus/status")
        await buyer.get(f"{here.room}/cactus/status?x=1")  # not plain: answered by the application
        await buyer.get(f"{here.room}/cactus/")
        async with buyer.get(f"{here.room}/cactus/events") as stream:
            await stream.content.readline()
            seen = await figures(here)
            assert seen["requests_total", "join", "cactus"] == 1
            assert seen["requests_total", "status", "cactus"] == 2
            assert seen["requests_total", "page", "cactus"] == 1
            assert seen["listeners", "cactus"] == 1


async def test_calls_to_the_store_are_timed_and_failures_counted(tmp_path: Path) -> None:
    store = Valkey(tmp_path)
    store.start()
    try:
        async with living(tmp_path, store.url, onsale(admission=SLOW)) as here:
            async with asyncio.timeout(20):
                while ("store_call_seconds_count", "advance") not in (seen := await figures(here)):
                    await asyncio.sleep(0.02)
            assert seen["store_call_seconds_count", "configure"] >= 1
            assert seen["store_failures_total", "unreachable", "advance"] == 0
            copied_at = seen["copy_timestamp_seconds", "cactus"]
            store.stop()
            async with asyncio.timeout(30):
                while not (seen := await figures(here))["stale", "cactus"]:
                    await asyncio.sleep(0.1)
            assert seen["store_failures_total", "unreachable", "advance"] >= 1
            assert seen["copy_timestamp_seconds", "cactus"] >= copied_at
    finally:
        store.stop()


async def test_the_wait_of_whoever_joins_now_is_told_until_the_line_is_on_hold(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SLOW)) as here:
        for _ in range(4):
            async with here.buyer() as buyer:
                await buyer.post(f"{here.room}/cactus/join")
        room = here.rooms["cactus"]
        async with asyncio.timeout(20):
            while room.snapshot is None or room.snapshot.tail < 4:
                await asyncio.sleep(0.02)
        seen = await figures(here)
        async with here.buyer() as buyer, buyer.post(f"{here.room}/cactus/join") as joined:
            told = (await joined.json())["eta_s"]
        assert [seen["wait_low_seconds", "cactus"], seen["wait_high_seconds", "cactus"]] == pytest.approx(
            told, rel=0.25
        )
        await client.hset("{cactus}:room", "hold", "a break")
        async with asyncio.timeout(20):
            while ("wait_low_seconds", "cactus") in (seen := await figures(here)):
                await asyncio.sleep(0.05)
        assert seen["rate_reason", "cactus", "hold"] == 1


async def test_a_draw_is_awaited_until_its_record_is_public(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    drawn = onsale(opens_in_s=3600, order="draw", admission=SLOW)
    async with living(tmp_path, store_url, drawn) as here:
        seen = await figures(here)
        assert seen["draw_published", "cactus"] == 0
        assert drawn.spec.opens is not None
        assert seen["opens_timestamp_seconds", "cactus"] == pytest.approx(drawn.spec.opens.timestamp(), abs=1)


NUMBERS = (
    "at_us rate_now burst tokens sessions outstanding claimed no_shows late arrivals_per_s released_per_s "
    "claimed_per_s opens_us closes_us"
)
TEXTS = "epochs capacity_now hold draw pool beacon beacon_source"


def snapshot(reason: str) -> Snapshot:
    fields = dict.fromkeys(NUMBERS.split(), "0") | dict.fromkeys(TEXTS.split(), "")
    return read_snapshot(fields | {"rate_reason": reason})


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("ceiling", "document"),
        ("operator", "operator"),
        ("hold", "hold"),
        ("web: 3 ready: 5/s each, x 0.8 for slowness", "target"),
        ("web: no fresh target, fallback", "fallback"),
        ("data was lost, fallback", "fallback"),
    ],
)
def test_the_reason_for_a_rate_is_one_of_a_few(told: str, kind: str) -> None:
    assert kind in RATE_REASONS
    assert rate_reason(snapshot(told)) == kind
