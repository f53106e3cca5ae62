"""P1: what a waiting buyer costs the store, against the sorted set in which people usually keep a queue."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.benchmarks.children import valkey
from tests.benchmarks.figures import Figure
from waitingroom.joiner import MAX_BATCH
from waitingroom.store.client import OnsaleStore

_NAME = "cactusfestival"
_LONGEST_MEMORY_S = 120
SETTINGS = {
    "rate": "20.0",
    "burst": "40",
    "capacity": "12000",
    "fallback": "5.0",
    "claim_us": "120000000",
    "prequeue_us": "0",
    "opens_us": "0",
    "closes_us": "0",
    "order": "fifo",
    "config": "benchmark",
}


def memory(buyers: int) -> list[Figure]:
    """Let `buyers` join: `store_bytes_per_waiting_buyer`."""
    return asyncio.run(_measure(buyers))


async def _measure(buyers: int) -> list[Figure]:
    ours, longest_s = await _in_empty_store(_line, buyers)
    baseline, _ = await _in_empty_store(_sorted_set, buyers)
    return [
        Figure(
            "store_bytes_per_waiting_buyer",
            value=max(ours, 0) / buyers,
            unit="bytes",
            n=buyers,
            baseline=baseline / buyers,
            ratio=max(ours, 0) / baseline,
            note=(
                f"once the nonces of devices are gone: their slots expire within {longest_s:.0f} s of the last join "
                f"(asserted), and are deleted here, not waited for; {ours} bytes in all; baseline: ZADD of 22-character ids"
            ),
        )
    ]


async def _in_empty_store(fill: Any, buyers: int) -> tuple[int, float]:
    """Return by how much `fill` made an empty store grow, and what else it tells."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as url:
        client = Redis.from_url(url, decode_responses=True)
        # One connection, its buffers, the scripts and what they once needed are there before and after.
        store = OnsaleStore(client, _NAME, SETTINGS)
        await _line(client, store, MAX_BATCH)
        before = await _used(client)
        told = await fill(client, store, buyers)
        grown = await _used(client) - before
        await client.aclose()
        return grown, told


async def _line(client: Redis, store: OnsaleStore, buyers: int) -> float:
    for start in range(0, buyers, MAX_BATCH):
        await store.join([device(number) for number in range(start, min(start + MAX_BATCH, buyers))])
    await store.advance()
    return await forget_nonces(client, _NAME)


async def forget_nonces(client: Redis, onsale: str) -> float:
    """Delete the nonces of all devices as if their time had passed, and return how long the last would have lived, in seconds.

    Raises:
        AssertionError: one of them would not have expired by itself.
    """
    slots = [key async for key in client.scan_iter(f"{{{onsale}}}:devices:*")]
    lives_s = [float(await client.pttl(slot)) / 1000 for slot in slots]
    assert all(0 < life_s <= _LONGEST_MEMORY_S for life_s in lives_s), (
        "device slots must expire by themselves"
    )
    for slot in slots:
        await client.delete(slot)
    await _used(client)
    return max(lives_s)


async def _sorted_set(client: Redis, store: OnsaleStore, buyers: int) -> float:
    for start in range(0, buyers, MAX_BATCH):
        numbers = range(start, min(start + MAX_BATCH, buyers))
        await client.zadd("queue", {device(number): number for number in numbers})
    return 0.0


async def _used(client: Redis) -> int:
    """Return the bytes in use, but for the buffers of connections, once all that was deleted is gone.

    The store frees large values in the background.
    """
    while int((memory := await client.info("memory"))["lazyfree_pending_objects"]):
        await asyncio.sleep(0.01)
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])


def device(number: int) -> str:
    """Return a device nonce, as scattered as random ones."""
    return (
        base64.urlsafe_b64encode((number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).to_bytes(16))
        .rstrip(b"=")
        .decode()
    )
