"""What the store's own scripts cost it, by how many wait: nothing is kept for a waiting buyer, so a longer line costs no more.

Timed by the store itself (`SLOWLOG`), without the way there and back. The line moves, and the release script has something to
release now and then, as in a sale.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis

from tests.benchmarks.children import valkey
from tests.benchmarks.figures import Figure, middle
from tests.benchmarks.memory import SETTINGS, device
from waitingroom.joiner import MAX_BATCH
from waitingroom.store.client import OnsaleStore

_NAME = "cactusfestival"
_TOGETHER = 64
_RATE = "200.0"


def scripts(buyers: int, calls: int) -> list[Figure]:
    """Time `calls` releases and joins with 0, a thousand and `buyers` in line: `script_advance`, `script_join`."""
    figures: list[Figure] = []
    for waiting in sorted({0, min(1_000, buyers), buyers}):
        with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as url:
            figures += uvloop.run(_time(url, waiting, calls, figures))
    return figures


async def _time(url: str, waiting: int, calls: int, shorter: list[Figure]) -> list[Figure]:
    client = Redis.from_url(url, decode_responses=True)
    store = OnsaleStore(client, _NAME, {**SETTINGS, "rate": _RATE})
    await store.configure()
    devices = (device(number) for number in range(waiting + _TOGETHER * calls))
    while batch := _next(devices, min(MAX_BATCH, waiting)):
        await store.join(batch)
        waiting -= len(batch)
        if not waiting:
            break
    line = (await store.advance()).waiting
    await _begin(client)
    for _ in range(calls):
        await store.advance()
    advance = await _spent(client)
    await _begin(client)
    for _ in range(calls):
        await store.join(_next(devices, _TOGETHER))
    join = await _spent(client)
    await client.aclose()
    of = f"{line} waiting"
    return [
        _figure("script_advance", advance, 1, calls, of, shorter),
        _figure("script_join", join, _TOGETHER, calls, of, shorter),
    ]


def _figure(
    name: str, spent: list[float], together: int, calls: int, of: str, shorter: list[Figure]
) -> Figure:
    value = middle(spent) / together
    baseline = next((figure.value for figure in reversed(shorter) if figure.name == name), value)
    note = f"the longest {max(spent) / together:.1f} us; baseline: the line before"
    if together > 1:
        note += f"; a buyer of {together} who join together"
    return Figure(name, value, "us", calls, baseline, value / baseline, note, of)


def _next(devices: Iterator[str], count: int) -> list[str]:
    return [next(devices) for _ in range(count)]


async def _begin(client: Redis) -> None:
    await client.config_set("slowlog-log-slower-than", "0")
    await client.config_set("slowlog-max-len", "100000")
    await client.slowlog_reset()


async def _spent(client: Redis) -> list[float]:
    """Return how long each script took since it was begun, in microseconds."""
    log: list[dict[str, Any]] = await client.slowlog_get(-1)
    return [float(each["duration"]) for each in log if bytes(each["command"]).startswith(b"EVALSHA")]
