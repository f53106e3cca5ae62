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

from rulebook.patience import HEAD_WITHIN_S, REST_WITHIN_S, Resting
from waitingroom.gate.trust import TrustedProxies

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
        self._resting: Resting[web.RequestHandler] = Resting(head_within_s, rest_within_s)
        self._server: web.Server | None = None
        self._transports: dict[web.RequestHandler, asyncio.Transport | None] = {}

    def install(self, server: web.Server) -> None:
        """Know from now on which connections have a request under way."""
        self._server = server
        answer, begin, end, transports = (
            server.request_handler,
            self._resting.begin,
            self._resting.end,
            self._transports,
        )

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            connection = request.protocol
            begin(connection)
            # Kept here: once it is closing, the connection names none.
            transports[connection] = request.transport
            try:
                return await answer(request)
            finally:
                end(connection)

        server.request_handler = handle

    def look(self, now_s: float) -> int:
        """End the connections whose time is over at `now_s` (monotonic seconds); return how many there were."""
        connections = self._server.connections if self._server is not None else []
        overdue = self._resting.overdue(connections, now_s, self._is_a_proxys)
        for connection in overdue:
            transport = self._transports.get(connection)
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()
            else:
                connection.force_close()
        for gone in self._transports.keys() - set(connections):
            del self._transports[gone]
        return len(overdue)

    def _is_a_proxys(self, connection: web.RequestHandler) -> bool:
        return self._trusted.holds(_address(connection.peername))

    async def watch(self) -> None:
        """Look every second for as long as the task lives."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look(time.monotonic())


def _address(peer: object) -> str | None:
    return str(peer[0]) if isinstance(peer, tuple) and peer else None
