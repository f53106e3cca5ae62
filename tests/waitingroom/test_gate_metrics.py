"""What the gate tells Prometheus: checks, refusals, renewals, the shop behind it, and whether it hears of ended sessions."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from tests.ports import free_port
from tests.stores import Valkey
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale

ROOM = onsale(
    protect=[{"path": "/cactus"}], shop="http://127.0.0.1:3000", admission={"rate": "200/s", "burst": 50}
)
PREFIX = "tidegate_queue_gate_"


async def figures(here: Living) -> dict[tuple[str, ...], float]:
    """Scrape, and return the gate's samples by name and label values."""
    async with aiohttp.ClientSession() as session, session.get(f"{here.room}/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(PREFIX)
    }


async def ask(url: str, headers: Mapping[str, str] | None = None) -> int:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status


async def test_checks_are_counted_by_gate_and_outcome(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, ROOM) as here, here.buyer() as buyer:
        assert await ask(f"{here.gate}/cactus") == 429
        assert await ask(f"{here.gate}/about") == 200
        assert await ask(f"{here.gate}/x%00") == 400
        assert await ask(f"{here.room}/gate/auth", {"X-Original-URL": "https://a.example/cactus"}) == 401
        assert await ask(f"{here.room}/gate/auth") == 403
        forwarded = {"X-Forwarded-Uri": "/about", "X-Forwarded-Host": "a.example"}
        assert await ask(f"{here.room}/gate/forward", forwarded) == 200
        await buyer.post(f"{here.room}/cactus/join")
        async with asyncio.timeout(20):
            while (await buyer.post(f"{here.room}/cactus/enter")).status != 200:
                await asyncio.sleep(0.02)
        async with buyer.get(f"{here.gate}/cactus") as answer:
            assert answer.status == 200
        seen = await figures(here)
        assert {key: seen[key] for key in seen if key[0] == "checks_total" and seen[key]} == {
            ("checks_total", "proxy", "queued"): 1,
            ("checks_total", "proxy", "free"): 1,
            ("checks_total", "proxy", "refused"): 1,
            ("checks_total", "proxy", "allowed"): 1,
            ("checks_total", "auth", "queued"): 1,
            ("checks_total", "auth", "refused"): 1,
            ("checks_total", "forward", "free"): 1,
        }
        assert {key: seen[key] for key in seen if key[0] == "refusals_total" and seen[key]} == {
            ("refusals_total", "proxy", "path"): 1,
            ("refusals_total", "auth", "unreadable"): 1,
        }
        assert seen["upstream_latency_seconds_count",] == 2
        assert seen["upstream_latency_seconds_bucket", "+Inf"] == 2
        assert seen["upstream_latency_seconds_sum",] > 0
        assert seen["websockets",] == 0


async def test_who_may_not_speak_for_buyers_is_counted(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, ROOM, trusted_proxies=("10.0.0.0/8",)) as here:
        assert await ask(f"{here.room}/gate/forward") == 403
        assert (await figures(here))["refusals_total", "forward", "untrusted"] == 1


async def test_a_shop_that_does_not_answer_is_counted(tmp_path: Path, store_url: str, client: Redis) -> None:
    gone = (f"http://127.0.0.1:{free_port()}",)
    async with living(tmp_path, store_url, ROOM, upstreams=gone) as here:
        assert await ask(f"{here.gate}/about") == 502
        assert (await figures(here))["upstream_errors_total", "unreachable"] == 1


async def test_codes_of_buyers_from_another_domain_are_counted(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, ROOM) as here:
        assert await ask(f"{here.gate}/.tidegate/enter?code=cactus." + "A" * 22) == 410
        assert (await figures(here))["handovers_total", "unknown"] == 1


async def test_the_feed_counts_as_connected_while_the_store_answers(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    store = Valkey(folder)
    store.start()

    async def until(here: Living, key: str, value: float) -> None:
        async with asyncio.timeout(20):
            while (await figures(here))[key,] != value:
                await asyncio.sleep(0.05)

    try:
        async with living(tmp_path, store.url, ROOM) as here:
            await until(here, "feed_connected", 1)
            async with aiohttp.ClientSession() as session:
                listening = await session.get(f"{here.room}/gate/revocations")
                await until(here, "feed_listeners", 1)
                listening.close()
            await until(here, "feed_listeners", 0)
            store.kill()
            await until(here, "feed_connected", 0)
    finally:
        store.stop()
