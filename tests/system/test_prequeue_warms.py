"""The size of the pre-queue decides how many replicas are there when the doors open, and buyers inside keep them there."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from tests.stores import Valkey
from tests.system.coupled import an_onsale, start_scaler, state_when, write_rule
from tests.system.scalers import ScalerProcess
from tests.waitingroom.living import Living, living

pytestmark = pytest.mark.slow

BUYERS = 12
OPENS_AFTER_S = 25.0
# 12 buyers to be let in within a second, at 5/s a replica: three replicas. Inside, four of them fill one.
CROWD = "{name: crowd, onsale: {name: cactus, drainWithin: 1s, lead: 15s}, perReplica: 5/s}"
ADMISSION = "{onsale: cactus, perReadyReplica: 5/s, sessionsPerReadyReplica: 4}"


async def test_replicas_rise_before_the_opening_and_stay_while_buyers_are_inside(tmp_path: Path) -> None:
    async with AsyncExitStack() as closing:
        store = Valkey(Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-"))))
        store.start()
        closing.callback(store.stop)
        write_rule(tmp_path / "rules", "web", ADMISSION, signal=CROWD)
        # It runs before the doors' time is set: a scaler that takes long to start would come to a crowd at once.
        scaler = start_scaler("scaler", tmp_path, tmp_path / "rules", store)
        closing.callback(scaler.end)
        await scaler.until(lambda now: now["rules"].get("web", {}).get("decision"))
        opens_s = time.time() + OPENS_AFTER_S
        counting = asyncio.create_task(_replicas_until_opening(scaler, opens_s))
        onsale = an_onsale(
            prequeue=datetime.fromtimestamp(opens_s - 60, UTC).isoformat(),
            opens=datetime.fromtimestamp(opens_s, UTC).isoformat(),
            closes=datetime.fromtimestamp(opens_s + 600, UTC).isoformat(),
        )
        room = await closing.enter_async_context(living(tmp_path, store.url, onsale))
        buyers = [await closing.enter_async_context(room.buyer()) for _ in range(BUYERS)]
        for buyer in buyers:
            await _join(buyer, room)
        counts = await counting
        assert counts[0] == 1
        assert counts[-1] == 3
        await state_when(room, lambda now: now["released"] == BUYERS)
        for buyer in buyers:
            await _enter(buyer, room)

        kept = await scaler.until(
            lambda now: f"{BUYERS} shop: 3 replicas for them; nobody waits" in _crowd_detail(now)
        )
        assert kept["rules"]["web"]["replicas"] == 3
        for buyer in buyers:
            async with buyer.get(f"{room.gate}/end") as answer:
                assert answer.status == 200
        await scaler.until(lambda now: now["rules"]["web"]["replicas"] == 1)


async def _replicas_until_opening(scaler: ScalerProcess, opens_s: float) -> list[int]:
    """Return the counts which the scaler had before the opening, each once as it changed."""
    counts: list[int] = []
    while time.time() < opens_s:
        rule = (await scaler.ask()).get("rules", {}).get("web", {})
        if rule.get("decision") and (not counts or counts[-1] != rule["replicas"]):
            counts.append(rule["replicas"])
        await asyncio.sleep(0.05)
    return counts


def _crowd_detail(status: dict) -> str:  # type: ignore[type-arg]
    decision = status["rules"]["web"]["decision"]
    return "" if decision is None else str(decision["recommendations"][0]["detail"])


async def _join(buyer: aiohttp.ClientSession, room: Living) -> None:
    async with buyer.get(f"{room.room}/cactus/") as page:
        assert page.status == 200
    async with buyer.post(f"{room.room}/cactus/join") as answer:
        assert answer.status == 200


async def _enter(buyer: aiohttp.ClientSession, room: Living) -> None:
    async with buyer.post(f"{room.room}/cactus/enter") as answer:
        assert answer.status == 200, await answer.text()
