"""A crowd before a waiting room: what it costs while it joins and while it waits, and whether every promise to it is kept.

Store, room and driver are processes of their own. What is exact (numbers, places, order, releases) is counted from what buyers
were told and from the store's counter, not from the room's own books; the rest is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.bench.driver import DriverOptions
from tidegate.bench.errors import BenchError
from tidegate.bench.figures import Figure
from tidegate.bench.options import CrowdOptions
from tidegate.bench.outcome import Outcome, Spent, figure_again, figures_of
from tidegate.bench.processes import cpu_s
from tidegate.bench.releases import Look
from tidegate.bench.venue import BURST, ONSALE, Venue, open_venue
from tidegate.demo.children import Child, start_child
from tidegate.demo.ports import HOST

_LOOK_EVERY_S = 0.05
_GRACE_S = 5.0
_USED_UP = 0.2
"""At the most this share of the shortest line is released, so that each stays about as long as it is said to be."""


async def play_crowds(options: CrowdOptions, say: Callable[[Figure], None]) -> list[Figure]:
    """Play a crowd of each size, and `say` each figure as soon as it is known.

    The smallest comes once more behind the largest: what it costs then tells how much the machine itself has changed meanwhile.

    Raises:
        BenchError, DemoError: a process ended early.
    """
    figures: list[Figure] = []
    smallest: Outcome | None = None

    def tell(told: Iterable[Figure]) -> None:
        for figure in told:
            figures.append(figure)
            say(figure)

    for size in options.sizes:
        outcome = await _play(options, size)
        smallest = smallest or outcome
        tell(figures_of(outcome, smallest))
    if smallest is not None and len(options.sizes) > 1:
        tell([figure_again(await _play(options, options.sizes[0]), smallest)])
    return figures


async def _play(options: CrowdOptions, buyers: int) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="tidegate-crowd-") as folder:
        return await _play_in(Path(folder), options, buyers)


async def _play_in(folder: Path, options: CrowdOptions, buyers: int) -> Outcome:
    rate_per_s = _rate_per_s(options)
    async with open_venue(
        folder,
        rate_per_s=rate_per_s,
        poll_budget_per_s=options.poll_budget_per_s,
        workers=options.workers,
    ) as venue:
        driver_options = DriverOptions(
            onsale=ONSALE,
            host=HOST,
            port=venue.port,
            buyers=buyers,
            joins_per_s=options.joins_per_s,
            seconds=options.seconds,
            poll_budget_per_s=options.poll_budget_per_s,
            seed=options.seed,
        )
        command = [sys.executable, "-m", "tidegate.bench.driver", driver_options.to_json()]
        empty = await venue.store_bytes()
        driver = await start_child("driver", command, folder, piped=True)
        try:
            return await _follow(_Watch(venue, driver, empty), options, buyers, rate_per_s)
        finally:
            await driver.stop(_GRACE_S)


def _rate_per_s(options: CrowdOptions) -> float:
    """Return at which rate all lines move: the same for each, or those who enter would make the larger crowds dearer."""
    shortest = options.sizes[0]
    return min(options.rate_per_s, _USED_UP * shortest / (shortest / options.joins_per_s + options.seconds))


@dataclass(slots=True)
class _Watch:
    """A crowd under way; `looks` are those at the line while it is watched."""

    venue: Venue
    driver: Child
    empty_bytes: int
    looks: list[Look] = field(default_factory=list)
    over: bool = False

    async def spent(self, told: dict[str, Any]) -> Spent:
        """Read what the processes have used so far; the driver, which ends when it is done, has told it."""
        return Spent(
            at_s=asyncio.get_running_loop().time(),
            room_s=cpu_s(self.venue.room.process.pid),
            store_s=await self.venue.store_cpu_s(),
            driver_s=told["cpu_s"],
            store_commands=await self.venue.store_commands(),
        )

    async def look_on(self) -> None:
        """Look at the line until it is over.

        Told to stop, and not cancelled: on Python 3.11 the store's client may swallow a cancellation.
        """
        while not self.over:
            self.looks.append(await self.venue.look())
            self.venue.room.check()
            await asyncio.sleep(_LOOK_EVERY_S)


async def _follow(watch: _Watch, options: CrowdOptions, buyers: int, rate_per_s: float) -> Outcome:
    told = _told_by(watch.driver)
    begun = await watch.spent(await _next(told, "joining", watch.driver))
    joined = await _next(told, "joined", watch.driver)
    after_joins, joining_bytes = await watch.spent(joined), await watch.venue.store_bytes()
    before = await watch.spent(await _next(told, "watching", watch.driver))
    looking = asyncio.create_task(watch.look_on())
    try:
        watched = await _next(told, "watched", watch.driver)
    finally:
        watch.over = True
        await looking
    after = await watch.spent(watched)
    kept = await watch.venue.kept_bytes()
    judged = await _next(told, "judged", watch.driver)
    return Outcome(
        buyers=buyers,
        options=options,
        rate_per_s=rate_per_s,
        burst=BURST,
        joined=joined,
        watched=watched,
        order_violations=judged["order_violations"],
        joining=after_joins.since(begun),
        watching=after.since(before),
        joining_bytes=joining_bytes - watch.empty_bytes,
        line_bytes=kept.line,
        inside_bytes=kept.inside,
        looks=watch.looks,
    )


async def _told_by(driver: Child) -> AsyncIterator[dict[str, Any]]:
    process: Process = driver.process
    assert process.stdout is not None  # noqa: S101 - it was asked for
    while line := await process.stdout.readline():
        yield json.loads(line)


async def _next(told: AsyncIterator[dict[str, Any]], event: str, driver: Child) -> dict[str, Any]:
    async for fields in told:
        if fields["event"] == event:
            return fields
    await driver.process.wait()
    raise BenchError(f"the driver ended before it had {event}{driver.tail()}")
