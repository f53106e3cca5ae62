"""Server-Sent Events of an onsale: the same frames for everyone, written as they are made."""

from __future__ import annotations

import random
from collections.abc import Mapping

from aiohttp import HttpVersion11, hdrs, web

from waitingroom.room import Room
from waitingroom.web.audience import Audience
from waitingroom.web.limits import Clients, Streams, too_many_streams
from waitingroom.web.rooms import room_of

_RETRY_AFTER_S = 1.0
"""The soonest that a browser whose stream has ended asks for it again."""
MOST_STREAMS = 500
"""Of one client address, which may be a whole campus'; a page that gets none asks for its status from time to time."""
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold frames back
}


class EventHandlers:
    """Streams the frames of each onsale for as long as a listener stays."""

    def __init__(self, rooms: Mapping[str, Room], clients: Clients) -> None:
        self._rooms = rooms
        self._audiences: dict[str, Audience] = {}
        self._streams = Streams(clients, MOST_STREAMS)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [web.get("/{onsale}/events", self.events)]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send each new frame; a client works out its own position from it and the number it holds."""
        room = room_of(request, self._rooms)
        with self._streams.one_more(request) as may:
            return await self._stream(request, room) if may else too_many_streams()

    async def _stream(self, request: web.Request, room: Room) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        room.requests.events += 1
        room.listeners += 1
        try:
            # Each is told another one: a process that ends sends all of its listeners to the others at once.
            retry_s = _RETRY_AFTER_S + random.random() * room.asking.return_within_s
            await response.write(b"retry: %d\n\n" % (1000 * retry_s))
            if request.transport is not None:
                # From here on the frames go past the response, which would lay each of them out anew for every listener.
                chunked = request.version >= HttpVersion11
                await self._audience(room).stay(request.transport, chunked=chunked)
        except ConnectionResetError:
            pass  # the listener has gone
        finally:
            room.listeners -= 1
        return response

    async def send_away(self, app: web.Application) -> None:
        """End all streams, so that a stopping server has none to wait for."""
        for room in self._rooms.values():
            room.frames.close()

    def _audience(self, room: Room) -> Audience:
        audience = self._audiences.get(room.name)
        if audience is None or audience.frames is not room.frames:
            audience = self._audiences[room.name] = Audience(room.frames)
        return audience
