"""The public feed of revoked sessions, `GET /gate/revocations`, for gates and middleware which check passes by themselves.

Server-sent events with replay: who comes back with Last-Event-ID is told what was missed. A session id opens nothing by itself.
The hours in which onsales guard their shops are told, too: all of them at first, then each as it changes.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from rulebook.patience import REST_WITHIN_S
from waitingroom.gate.hours import Hours
from waitingroom.revocations import Revocations
from waitingroom.room import Room
from waitingroom.web.limits import Clients, Streams, too_many_streams

FEED_PATH = "/gate/revocations"
PING_EVERY_S = 5.0
MOST_STREAMS = 200
"""Of one client address: as many as a shop may have processes behind it."""
TAKEN_WITHIN_S = REST_WITHIN_S
"""Who takes nothing for so long is cut off, as a buyer is (`audience`); a gate that comes back is told what it missed."""
_RETRY_MS = 1000
_LOOK_EVERY_S = 0.25


class RevocationFeed:
    """Serves what this process has heard; the store is not asked."""

    def __init__(self, revocations: Revocations, rooms: Mapping[str, Room], clients: Clients) -> None:
        self._revocations = revocations
        self._rooms = rooms
        self._streams = Streams(clients, MOST_STREAMS)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [web.get(FEED_PATH, self.feed, allow_head=False)]

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """Tell all revocations, of one onsale if the query names it, for as long as the listener stays."""
        with self._streams.one_more(request) as may:
            return await self._tell(request) if may else too_many_streams()

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        onsale = request.query.get("onsale")
        headers = {"Cache-Control": "no-store"}
        async with sse_response(
            request, headers=headers, ping_interval=PING_EVERY_S, send_timeout=TAKEN_WITHIN_S
        ) as events:
            # Sent at once, so that a listener knows that it is connected.
            await events.send("{}", event="hello", retry=_RETRY_MS)
            work = [
                asyncio.create_task(self._tell_hours(events, onsale)),
                asyncio.create_task(
                    self._tell_revocations(events, onsale, request.headers.get("Last-Event-ID"))
                ),
                asyncio.create_task(events.wait()),  # ends when a ping finds the listener gone
            ]
            self._revocations.listeners += 1
            try:
                await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._revocations.listeners -= 1
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
        return events

    async def _tell_revocations(
        self, events: EventSourceResponse, onsale: str | None, last_id: str | None
    ) -> None:
        async for revocation in self._revocations.listen(last_id):
            if onsale in {None, revocation.onsale}:
                document = {
                    "onsale": revocation.onsale,
                    "session": revocation.session,
                    "kind": revocation.kind,
                }
                await events.send(json.dumps(document), id=revocation.id, event="revoked")

    async def _tell_hours(self, events: EventSourceResponse, onsale: str | None) -> None:
        """Without ids: they are told anew to whoever comes back, so nobody needs to name the last."""
        told: dict[str, Hours] = {}
        while True:
            for name, room in list(self._rooms.items()):
                hours = room.hours
                if onsale in {None, name} and room.snapshot is not None and told.get(name) != hours:
                    told[name] = hours
                    document = {
                        "onsale": name,
                        "begins": _finite(hours.begins_at_s),
                        "closes": _finite(hours.closes_at_s),
                    }
                    await events.send(json.dumps(document), event="hours")
            await asyncio.sleep(_LOOK_EVERY_S)


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
