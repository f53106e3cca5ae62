"""Real HTTP servers that stand for replicas with a metrics page each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class MetricsReplica:
    """One replica; set `text`, `status`, `content_type`, or let it `hang`."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.status = 200
        self.content_type = TEXT
        self.hang = False
        self.requests = 0
        self.url = ""

    async def show(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.hang:
            await asyncio.Event().wait()
        return web.Response(
            status=self.status, body=self.text.encode(), headers={"Content-Type": self.content_type}
        )


@asynccontextmanager
async def serve_replicas(*replicas: MetricsReplica) -> AsyncIterator[list[str]]:
    """Serve them for the time of the context; yields their base URLs."""
    async with AsyncExitStack() as stack:
        for replica in replicas:
            app = web.Application()
            app.router.add_get("/metrics", replica.show)
            server = TestServer(app)
            await stack.enter_async_context(server)
            replica.url = str(server.make_url("")).rstrip("/")
        yield [replica.url for replica in replicas]
