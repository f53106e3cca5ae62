"""What may stand between the scaler and its Prometheus: a proxy that checks tokens, is slow, breaks, or shows a login page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Front:
    """Hands requests on to `behind`, unless `behave` answers them itself; `seen` are the requests that came."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.behave: Behaviour | None = None
        self.seen: list[web.Request] = []
        self.queries: list[str] = []
        self.under_way = 0
        self.most_under_way = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        fields = {**request.query, **await request.post()}
        self.queries.append(str(fields.get("query", "")))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer = None if self.behave is None else await self.behave(request)
            return await self._hand_on(request) if answer is None else answer
        finally:
            self.under_way -= 1

    async def _hand_on(self, request: web.Request) -> web.Response:
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                request.method,
                f"{self.behind}{request.path_qs}",
                data=await request.read(),
                headers={"Content-Type": request.headers.get("Content-Type", "text/plain")},
            ) as response,
        ):
            return web.Response(
                status=response.status, body=await response.read(), content_type=response.content_type
            )


def answering(
    status: int = 200, text: str = "", content_type: str = "application/json", **headers: str
) -> Behaviour:
    """Always give the same answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status,
            text=text,
            content_type=content_type,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return answer


async def never(request: web.Request) -> web.StreamResponse | None:
    """Keep whoever asks waiting."""
    await asyncio.Event().wait()
    return None


async def hanging_up(request: web.Request) -> web.StreamResponse | None:
    """Break each connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def running_front(behind: str = "http://127.0.0.1:1") -> AsyncIterator[Front]:
    """Run a front for the time of the context."""
    front = Front(behind)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", front.handle)
    server = TestServer(app)
    async with server:
        front.url = str(server.make_url("")).rstrip("/")
        yield front
