"""Sessions ended before their time, as every process hears of them: it follows the store's lists and tells gates and listeners.

A process which starts reads all that is still kept. Ids are those of the store's streams (`<ms>-<n>`), one stream an onsale; a
listener names the last one it saw and is told everything since, and a few seconds before: hearing twice does no harm.

Each onsale is asked about by itself: one whose part of a cluster is away, or slow, holds up no other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

from waitingroom.ending import end_tasks
from waitingroom.errors import StoreUnavailable
from waitingroom.room import Room
from waitingroom.store.connect import StoreClient
from waitingroom.store.operations import OnsaleOperations, Revocation

FOLLOW_EVERY_S = 0.5
REMEMBERED = 100_000
_OVERLAP_MS = 5_000

log = structlog.get_logger(__name__)


class Revocations:
    """What this process has heard. `told` is called with each session, once; `run` keeps listening.

    `listeners` is how many follow us in turn.
    """

    def __init__(self, rooms: Mapping[str, Room], client: StoreClient, told: Callable[[str], None]) -> None:
        self.listeners = 0
        self._rooms = rooms
        self._client = client
        self._told = told
        self._answered: dict[str, bool] = {}
        self._seen: dict[str, str] = {}
        self._operations: dict[str, OnsaleOperations] = {}
        self._heard: deque[Revocation] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._closed = False
        self._more = asyncio.Condition()

    @property
    def connected(self) -> bool:
        """Tell whether the store answered for each onsale when it was last asked."""
        asked = [self._answered[name] for name in self._rooms if name in self._answered]
        return bool(asked) and all(asked)

    async def follow(self, name: str) -> None:
        """Ask the store what is new of one onsale, once.

        Raises:
            StoreUnavailable: the store did not answer; nothing is missed.
        """
        operations = self._operations.setdefault(name, OnsaleOperations(self._client, name))
        fresh = await operations.revocations(self._seen.get(name, ""))
        if not fresh:
            return
        self._seen[name] = fresh[-1].id
        for revocation in fresh:
            self._told(revocation.session)
        async with self._more:
            self._heard.extend(fresh)
            self._count += len(fresh)
            self._more.notify_all()

    async def run(self) -> None:
        """Follow all onsales for as long as the task lives; the store may come and go."""
        asking: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for name in list(self._rooms):
                    if name not in asking or asking[name].done():
                        asking[name] = asyncio.create_task(self._ask(name))
                await asyncio.sleep(FOLLOW_EVERY_S)
        finally:
            await end_tasks(asking.values())

    async def _ask(self, name: str) -> None:
        try:
            await self.follow(name)
            self._answered[name] = True
        except StoreUnavailable as error:
            if self._answered.get(name, True):
                log.warning("revocations_unreachable", onsale=name, reason=str(error))
            self._answered[name] = False
        except Exception:  # gates must go on hearing
            log.exception("revocations_failed", onsale=name)

    async def close(self) -> None:
        """Let all listeners go."""
        async with self._more:
            self._closed = True
            self._more.notify_all()

    async def listen(self, last_id: str | None) -> AsyncIterator[Revocation]:
        """Yield what was told since `last_id` (everything that is kept if None), then what comes, until `close`."""
        since_ms = milliseconds(last_id) - _OVERLAP_MS
        heard = self._count
        for revocation in list(self._heard):
            if milliseconds(revocation.id) >= since_ms:
                yield revocation
        while not self._closed:
            async with self._more:
                while self._count == heard and not self._closed:
                    await self._more.wait()
                fresh = list(self._heard)[-(self._count - heard) :] if self._count > heard else []
                heard = self._count
            for revocation in fresh:
                yield revocation


def milliseconds(id: str | None) -> int:
    """Read the time of an id; 0 for one that is not of our form."""
    text = (id or "").partition("-")[0]
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else 0
