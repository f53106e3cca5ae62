"""What the store's own scripts cost it, by how many wait: nothing is kept for a waiting buyer, so a longer line costs no more.

What does cost is what the store keeps for two minutes of each who joins, the device's nonce: small pieces all over its memory,
which a script comes upon colder. So the longest line is asked twice, with the nonces and after them.

Timed by the store itself (`SLOWLOG`), without the way there and back. The lines stand side by side, each in a store of its own,
and every round asks each of them in turn, so that a slow minute counts for all. A call that releases somebody and one for which
nothing was due do different work, and are told apart.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis

from tests.benchmarks.children import valkey
from tests.benchmarks.figures import Figure, middle
from tests.benchmarks.memory import SETTINGS, device, forget_nonces
from waitingroom.joiner import MAX_BATCH
from waitingroom.snapshot import Snapshot
from waitingroom.store.client import OnsaleStore

_NAME = "cactusfestival"
_TOGETHER = 64
_RATE_PER_S = 100.0
_DUE_S = 1.2 / _RATE_PER_S
"""After so long the rate has brought somebody's turn; right after a release it hasn't."""
NONCES_GONE = ", nonces gone"
"""Ends the `of` of the longest line's figures once the nonces of its devices are gone."""
_SCRIPTS = {"script_advance": 1, "script_release": 1, "script_join": _TOGETHER}


@dataclass(slots=True)
class _Line:
    """A line in a store of its own, and what each script took there, in microseconds."""

    client: Redis
    store: OnsaleStore
    devices: Iterator[str]
    waiting: int
    released: int
    nonces: bool
    spent: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _SCRIPTS})


def scripts(buyers: int, calls: int) -> list[Figure]:
    """Time `calls` of each with 0, ten thousand and `buyers` in line: `script_advance`, `script_release`, `script_join`.

    `buyers` stand in line twice: as they have just joined, and as they stand two minutes later. `script_advance` is a call for
    which nothing is due. An empty line has nobody to release.
    """
    return uvloop.run(_run(sorted({0, min(10_000, buyers), buyers}), calls))


async def _run(sizes: list[int], calls: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        lines = [await _line(stack, size, calls) for size in sizes]
        lines.append(await _line(stack, sizes[-1], calls, nonces=False))
        for turn in range(calls):
            await asyncio.sleep(_DUE_S)
            for line in _in_turn(lines, turn):
                await _advance_twice(line)
        for turn in range(calls):
            for line in _in_turn(lines, turn):
                await line.store.join(_next(line.devices, _TOGETHER))
                line.spent["script_join"] += await _spent(line.client)
    return [
        _figure(name, line, next(line for line in lines if line.spent[name]))
        for line in lines
        for name in _SCRIPTS
        if line.spent[name]
    ]


def _in_turn(lines: list[_Line], turn: int) -> list[_Line]:
    """Return the lines with another one first in each round."""
    first = turn % len(lines)
    return lines[first:] + lines[:first]


async def _line(stack: AsyncExitStack, size: int, calls: int, *, nonces: bool = True) -> _Line:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-"))
    client = Redis.from_url(stack.enter_context(valkey(Path(folder))), decode_responses=True)
    stack.push_async_callback(client.aclose)
    store = OnsaleStore(client, _NAME, {**SETTINGS, "rate": repr(_RATE_PER_S)})
    await store.configure()
    devices = (device(number) for number in range(size + _TOGETHER * calls))
    for start in range(0, size, MAX_BATCH):
        await store.join(_next(devices, min(MAX_BATCH, size - start)))
    if not nonces:
        await forget_nonces(client, _NAME)
    snapshot = await store.advance()
    line = _Line(client, store, devices, snapshot.waiting, _released(snapshot), nonces)
    await client.config_set("slowlog-log-slower-than", "0")
    await _spent(client)
    return line


async def _advance_twice(line: _Line) -> None:
    """Have the line move once somebody's turn is due, and once more right after.

    What a call did is seen, not supposed: a first one counts if it released somebody, a second one if it did not. So no line's
    calls follow a rest where another's don't.
    """
    for name in ("script_release", "script_advance"):
        before, line.released = line.released, _released(await line.store.advance())
        spent = await _spent(line.client)
        if (line.released > before) == (name == "script_release"):
            line.spent[name] += spent


def _released(snapshot: Snapshot) -> int:
    return sum(each.released for each in snapshot.lines)


def _figure(name: str, line: _Line, shortest: _Line) -> Figure:
    together = _SCRIPTS[name]
    spent = line.spent[name]
    value, baseline = middle(spent) / together, middle(shortest.spent[name]) / together
    note = f"the longest {max(spent) / together:.1f} us; baseline: {shortest.waiting} waiting"
    if together > 1:
        note += f"; a buyer of {together} who join together"
    of = f"{line.waiting} waiting" + ("" if line.nonces else NONCES_GONE)
    return Figure(name, value, "us", len(spent), baseline, value / baseline, note, of)


def _next(devices: Iterator[str], count: int) -> list[str]:
    return [next(devices) for _ in range(count)]


async def _spent(client: Redis) -> list[float]:
    """Return how long each script took since this was last asked, in microseconds."""
    log: list[dict[str, Any]] = await client.slowlog_get(-1)
    await client.slowlog_reset()
    return [float(each["duration"]) for each in log if bytes(each["command"]).startswith(b"EVALSHA")]
