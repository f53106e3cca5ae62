"""How long a connection may say nothing, or next to nothing: who holds many open costs us a file each.

A connection must bring the whole head of its first request soon, however slowly it drips in, and may rest between requests for a
while; a trusted proxy's may rest for as long as the server itself allows, as a proxy keeps them for its next buyers. Whoever has
not taken its answer by then is cut off: a connection that is closed waits until all of it is sent, which may be never. A slow
body is not looked at here, nor an answer that is still being made: whoever handles them has limits of its own.
"""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from waitingroom.gate.trust import TrustedProxies

HEAD_WITHIN_S = 20.0
REST_WITHIN_S = 75.0
_LOOK_EVERY_S = 1.0


class Patience:
    """Watches the connections of a server; `install` before it listens, and run `watch`."""

    def __init__(
        self,
        trusted: TrustedProxies,
        *,
        head_within_s: float = HEAD_WITHIN_S,
        rest_within_s: float = REST_WITHIN_S,
    ) -> None:
        self._trusted = trusted
        self._head_within_s = head_within_s
        self._rest_within_s = rest_within_s
        self._server: web.Server | None = None
        self._busy: set[object] = set()
        self._asked: dict[object, asyncio.Transport | None] = {}
        self._resting_since_s: dict[object, float] = {}

    def install(self, server: web.Server) -> None:
        """Know from now on which connections have a request under way."""
        self._server = server
        answer, busy, asked, resting = server.request_handler, self._busy, self._asked, self._resting_since_s

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            connection = request.protocol
            busy.add(connection)
            asked[connection] = request.transport  # kept here: once it is closing, the connection names none
            resting.pop(connection, None)
            try:
                return await answer(request)
            finally:
                busy.discard(connection)

        server.request_handler = handle

    def look(self, now_s: float) -> int:
        """End the connections whose time is over at `now_s` (monotonic seconds); return how many there were."""
        connections = self._server.connections if self._server is not None else []
        closed = 0
        for connection in connections:
            if connection in self._busy:
                continue
            since_s = self._resting_since_s.setdefault(connection, now_s)
            if connection not in self._asked:
                overdue = now_s - since_s >= self._head_within_s
            else:
                overdue = now_s - since_s >= self._rest_within_s and not self._trusted.holds(
                    _address(connection.peername)
                )
            if overdue:
                transport = self._asked.get(connection)
                if transport is not None and transport.get_write_buffer_size():
                    transport.abort()
                else:
                    connection.force_close()
                closed += 1
        open_ones = set(connections)
        for gone in self._asked.keys() - open_ones:
            del self._asked[gone]
        for gone in self._resting_since_s.keys() - open_ones:
            del self._resting_since_s[gone]
        return closed

    async def watch(self) -> None:
        """Look every second for as long as the task lives."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look(time.monotonic())


def _address(peer: object) -> str | None:
    return str(peer[0]) if isinstance(peer, tuple) and peer else None
