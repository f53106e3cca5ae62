"""How onsales went lately, asked of the room every few seconds, for the plots of their page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from autoscaler.clock import Clock
from autoscaler.console.onsales import OnsaleView, onsale_view
from autoscaler.console.plot import Plot, Series, draw
from autoscaler.console.roomadmin import RoomAdmin
from autoscaler.console.trail import Trail

EVERY_S: Final = 2.0
KEPT: Final = 1800
MOST_ONSALES: Final = 50
GAP_S: Final = 15.0
"""Where there is nothing for longer, the line is broken."""
_HEIGHT: Final = 150


@dataclass(frozen=True, slots=True)
class Sample:
    """An onsale at a moment; rates in buyers a second, None is unknown."""

    at_s: float
    waiting: int | None
    released_per_s: float | None
    rate_per_s: float | None


class OnsaleHistory:
    """The samples of each onsale, oldest first."""

    def __init__(self) -> None:
        self._samples: dict[str, Trail[Sample]] = {}

    def note(self, view: OnsaleView, at_s: float) -> None:
        """Remember an onsale as it is now; figures which the room calls old say nothing about now."""
        if view.name not in self._samples and len(self._samples) >= MOST_ONSALES:
            return
        known = not view.stale
        sample = Sample(
            at_s,
            view.waiting if known else None,
            view.released_per_s if known else None,
            view.rate_per_s if known else None,
        )
        self._samples.setdefault(view.name, Trail(KEPT)).add(sample)

    def trails(self) -> Mapping[str, Trail[Sample]]:
        """Return what is kept of each, by those who carry it on."""
        return dict(self._samples)

    def plots(self, name: str) -> tuple[Plot | None, Plot | None]:
        """Draw who waited, and how many were released against the rate, as far back as one process would remember."""
        trail = self._samples.get(name)
        newest = None if trail is None else trail.last
        if trail is None or newest is None:
            return None, None
        samples = [one for one in trail if newest.at_s - one.at_s <= KEPT * EVERY_S]
        waiting = Series("waiting", "signal", tuple((one.at_s, one.waiting) for one in samples), steps=True)
        released = Series("released/s", "available", tuple((one.at_s, one.released_per_s) for one in samples))
        rate = Series("rate", "desired", tuple((one.at_s, one.rate_per_s) for one in samples))
        return draw([waiting], _HEIGHT, GAP_S), draw([released, rate], _HEIGHT, GAP_S)

    @asynccontextmanager
    async def following(self, room: RoomAdmin, clock: Clock) -> AsyncIterator[None]:
        """Ask the room again and again, for the time of the context."""

        async def follow() -> None:
            while True:
                for answer in (await room.overview()).onsales:
                    self.note(onsale_view(answer), clock.now_s())
                await clock.sleep(EVERY_S)

        task = asyncio.create_task(follow(), name="follow onsales")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
