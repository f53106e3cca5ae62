"""How long a connection to the scaler may say nothing: each open one costs a file, and the scaler needs some for its own work."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from rulebook.patience import HEAD_WITHIN_S, REST_WITHIN_S, Resting

_LOOK_EVERY_S = 1.0


class Patience:
    """Watches the connections of a server; `install` before it listens, and run `watch`."""

    def __init__(self, head_within_s: float = HEAD_WITHIN_S, rest_within_s: float = REST_WITHIN_S) -> None:
        self._resting: Resting[web.RequestHandler] = Resting(head_within_s, rest_within_s)
        self._server: web.Server | None = None

    def install(self, server: web.Server) -> None:
        """Know from now on which connections have a request under way."""
        self._server = server
        answer, resting = server.request_handler, self._resting

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            resting.begin(request.protocol)
            try:
                return await answer(request)
            finally:
                resting.end(request.protocol)

        server.request_handler = handle

    def look(self, now_s: float) -> int:
        """End the connections whose time is over at `now_s` (monotonic seconds); return how many there were."""
        connections = self._server.connections if self._server is not None else []
        overdue = self._resting.overdue(connections, now_s, lambda connection: False)
        for connection in overdue:
            transport = connection.transport
            if transport is not None:
                transport.abort()  # a close would wait until an answer is taken, which may be never
        return len(overdue)

    async def watch(self) -> None:
        """Look every second for as long as the task lives."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look(time.monotonic())
