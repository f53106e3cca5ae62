"""The public feed of revoked sessions, `GET /gate/revocations`, for gates and middleware which check passes by themselves.

Server-sent events with replay: who comes back with Last-Event-ID is told what was missed. A session id opens nothing by itself.
"""

from __future__ import annotations

import json

from aiohttp import web
from aiohttp_sse import sse_response

from waitingroom.revocations import Revocations

FEED_PATH = "/gate/revocations"
_RETRY_MS = 1000


class RevocationFeed:
    """Serves what this process has heard; the store is not asked."""

    def __init__(self, revocations: Revocations) -> None:
        self._revocations = revocations

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [web.get(FEED_PATH, self.feed, allow_head=False)]

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """Tell all revocations, of one onsale if the query names it, for as long as the listener stays."""
        onsale = request.query.get("onsale")
        async with sse_response(request, headers={"Cache-Control": "no-store"}) as events:
            # Sent at once, so that a listener knows that it is connected.
            await events.send("{}", event="hello", retry=_RETRY_MS)
            async for revocation in self._revocations.listen(request.headers.get("Last-Event-ID")):
                if onsale in {None, revocation.onsale}:
                    document = {
                        "onsale": revocation.onsale,
                        "session": revocation.session,
                        "kind": revocation.kind,
                    }
                    await events.send(json.dumps(document), id=revocation.id, event="revoked")
        return events
