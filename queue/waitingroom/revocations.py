"""Sessions ended before their time, as every process hears of them: it follows the store's lists and tells gates and listeners.

A process which starts reads all that is still kept. Ids are those of the store's streams (`<ms>-<n>`), one stream an onsale; a
listener names the last one it saw and is told everything since, and a few seconds before: hearing twice does no harm.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

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

    `connected` tells whether the store answered when it was last asked; `listeners` is how many follow us in turn.
    """

    def __init__(self, rooms: Mapping[str, Room], client: StoreClient, told: Callable[[str], None]) -> None:
        self.connected = False
        self.listeners = 0
        self._rooms = rooms
        self._client = client
        self._told = told
        self._seen: dict[str, str] = {}
        self._operations: dict[str, OnsaleOperations] = {}
        self._heard: deque[Revocation] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._closed = False
        self._more = asyncio.Condition()

    async def follow(self) -> None:
        """Ask the store for what is new, once.

        Raises:
            StoreUnavailable: the store did not answer; nothing is missed.
        """
        for name in list(self._rooms):
            operations = self._operations.setdefault(name, OnsaleOperations(self._client, name))
            fresh = await operations.revocations(self._seen.get(name, ""))
            if not fresh:
                continue
            self._seen[name] = fresh[-1].id
            for revocation in fresh:
                self._told(revocation.session)
            async with self._more:
                self._heard.extend(fresh)
                self._count += len(fresh)
                self._more.notify_all()

    async def run(self) -> None:
        """Follow for as long as the task lives; the store may come and go."""
        reachable = True
        while True:
            try:
                await self.follow()
                reachable = self.connected = True
            except StoreUnavailable as error:
                if reachable:
                    log.warning("revocations_unreachable", reason=str(error))
                reachable = self.connected = False
            except Exception:  # gates must go on hearing
                log.exception("revocations_failed")
            await asyncio.sleep(FOLLOW_EVERY_S)

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
