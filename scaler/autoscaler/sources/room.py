"""The crowd before an onsale, as the waiting room publishes it in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autoscaler.clock import Clock
from autoscaler.errors import StoreUnavailable
from autoscaler.sources.base import Answer
from autoscaler.store.figures import FigureReader, Published
from rulebook.observation import Crowd, Missing, Reading
from rulebook.signals import OnsaleSignal

MAX_AGE_S = 10.0
"""The room publishes each second; after ten missed ones, nobody turns its wheel."""


class RoomSource:
    """Reads the figures of onsales."""

    def __init__(self, reader: FigureReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def read(
        self, queries: Sequence[OnsaleSignal], replicas: Sequence[str], deadline_s: float
    ) -> Sequence[Answer]:
        """Read each onsale's figures once, all at the same time."""
        onsales = list(dict.fromkeys(query.name for query in queries))
        answers = await asyncio.gather(*(self._read_onsale(onsale, deadline_s) for onsale in onsales))
        by_name = dict(zip(onsales, answers, strict=True))
        return [Answer(by_name[query.name]) for query in queries]

    async def _read_onsale(self, onsale: str, deadline_s: float) -> Reading:
        try:
            async with asyncio.timeout(deadline_s):
                published = await self._reader.read(onsale)
        except TimeoutError:
            return Missing(f"store: no answer within {deadline_s:g} s")
        except StoreUnavailable as error:
            return Missing(str(error))
        return as_crowd(published, self._clock.now_s())


def as_crowd(published: Published, now_s: float) -> Reading:
    """Turn figures into a crowd, its times on *our* clock: only differences to the store's clock mean anything here.

    Figures that are old, or that stem from the future of a store whose clock went back, are missing.
    """
    figures = published.figures
    if figures is None:
        return Missing("the room has published nothing", answered=True)
    if published.age_s < -MAX_AGE_S:
        return Missing(f"the room's figures are {-published.age_s:.1f} s ahead of the store's clock")
    if published.age_s > MAX_AGE_S:
        return Missing(f"the room's figures are {published.age_s:.1f} s old, more than {MAX_AGE_S:g} s")
    ahead_s = published.store_now_s - now_s
    return Crowd(
        at_s=figures.at_s - ahead_s,
        arrivals_per_s=figures.arrivals_per_s,
        backlog=figures.waiting + figures.late,
        sessions=figures.sessions,
        opens_at_s=None if figures.opens_at_s is None else figures.opens_at_s - ahead_s,
    )
