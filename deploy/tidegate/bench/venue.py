"""Where a crowd is received: an embedded store and the waiting room as `tidegate queue serve` puts it up."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from redis.asyncio import Redis

from rulebook.coupling import US_PER_S
from tidegate.bench.releases import Look
from tidegate.demo.children import Child, start_child
from tidegate.demo.embedded import start_store, store_url
from tidegate.demo.ports import HOST

ONSALE = "crowd"
BURST = 1
_READY_WITHIN_S = 60.0
_GRACE_S = 15.0
_LOOK = """
local clock = redis.call('TIME')
local epoch = redis.call('HGET', KEYS[1], 'epoch')
return {clock[1], clock[2], redis.call('HGET', KEYS[1], 'released:' .. epoch) or '0'}
"""
_DEVICES_MS = 120_000
_OF_SESSIONS = {"sessions", "hardends", "ended", "handover", "handed"}
_KEYS_AT_ONCE = 1_000


class Kept(NamedTuple):
    """Bytes in the store: of the line, and of those who are inside the shop."""

    line: int
    inside: int


@dataclass(frozen=True, slots=True)
class Venue:
    """A room that is up."""

    folder: Path
    port: int
    room: Child
    store: Redis

    async def look(self) -> Look:
        """Read the store's time and how many have been released, in one step."""
        reply: Any = await self.store.eval(_LOOK, 1, f"{{{ONSALE}}}:room")
        seconds, micros, released = (int(float(each)) for each in reply)
        return Look(seconds * US_PER_S + micros, released)

    async def store_bytes(self) -> int:
        """Return the store's memory in use, without the buffers of connections."""
        memory = await self.store.info("memory")
        return int(memory["used_memory"]) - int(memory["mem_clients_normal"])

    async def kept_bytes(self) -> Kept:
        """Return what the onsale's keys take up, but for the nonces of devices, which expire by themselves.

        Raises:
            AssertionError: nonces would be kept for more than two minutes.
        """
        line = inside = 0
        async for keys in self._keys():
            async with self.store.pipeline(transaction=False) as together:
                for key in keys:
                    together.memory_usage(key, samples=0)
                    together.pttl(key)
                answers = await together.execute()
            for key, size, left_ms in zip(keys, answers[::2], answers[1::2], strict=True):
                kind = key.partition(":")[2].partition(":")[0]
                if kind == "devices":
                    assert 0 < left_ms <= _DEVICES_MS, f"{key} would be kept for {left_ms} ms"  # noqa: S101 - P1 rests on it
                elif kind in _OF_SESSIONS:
                    inside += size or 0  # it may have expired meanwhile
                else:
                    line += size or 0
        return Kept(line, inside)

    async def _keys(self) -> AsyncIterator[list[str]]:
        cursor = 0
        while True:
            cursor, keys = await self.store.scan(cursor, match=f"{{{ONSALE}}}:*", count=_KEYS_AT_ONCE)
            if keys:
                yield [str(key) for key in keys]
            if not cursor:
                return

    async def store_cpu_s(self) -> float:
        """Return the processor time which the store has used."""
        used = await self.store.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    async def store_commands(self) -> int:
        """Return how many commands the store has been sent."""
        return int((await self.store.info("stats"))["total_commands_processed"])


@asynccontextmanager
async def open_venue(
    folder: Path, *, rate_per_s: float, poll_budget_per_s: float, workers: int
) -> AsyncIterator[Venue]:
    """Have a room up before which nobody stands yet.

    Raises:
        DemoError: the store or the room does not start.
    """
    (folder / "onsales").mkdir()
    (folder / "onsales" / "crowd.yaml").write_text(json.dumps(_document(rate_per_s)), encoding="utf-8")
    async with AsyncExitStack() as closing:
        store_port, port = _free_ports(2)
        store = await start_store(store_port, folder, keep_data=False)
        closing.push_async_callback(store.stop, _GRACE_S)
        client = await closing.enter_async_context(
            Redis.from_url(store_url(store_port), decode_responses=True)
        )
        command = [
            *(sys.executable, "-m", "tidegate", "queue", "serve", "--log-level", "warning"),
            *("--onsales", str(folder / "onsales"), "--keys", str(folder / "keys")),
            *("--store", store_url(store_port), "--listen", f"{HOST}:{port}"),
            *("--room-url", f"http://{HOST}:{port}", "--insecure-cookies", "--workers", str(workers)),
            # The whole crowd comes from this machine.
            *("--join-rate", "0", "--poll-budget", f"{poll_budget_per_s:g}"),
        ]
        room = await start_child("room", command, folder)
        closing.push_async_callback(room.stop, _GRACE_S)
        http = await closing.enter_async_context(aiohttp.ClientSession())

        async def is_ready() -> bool:
            try:
                async with http.get(f"http://{HOST}:{port}/readyz") as response:
                    return response.status == 200
            except (aiohttp.ClientError, OSError):
                return False

        await room.wait_until(is_ready, _READY_WITHIN_S)
        yield Venue(folder, port, room, client)


def _free_ports(count: int) -> list[int]:
    """Return ports which nobody listens on, of those that the system gives out in turn: two runs at once get different ones."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _document(rate_per_s: float) -> dict[str, Any]:
    return {
        "apiVersion": "tidegate.dev/v1",
        "kind": "Onsale",
        "metadata": {"name": ONSALE},
        "spec": {
            "title": {"en": "A crowd"},
            "shop": "https://tickets.example.org/crowd",
            "protect": [{"host": "tickets.example.org", "path": "/crowd"}],
            # Nobody's turn lapses while we look, so that every release is one that the rate brought.
            "admission": {"rate": f"{rate_per_s:g}/s", "burst": BURST, "claimWithin": "4h"},
            "session": {"length": "4h", "max": "8h"},
        },
    }
