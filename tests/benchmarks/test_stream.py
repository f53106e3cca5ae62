"""An open loop: requests go out when they are due, and what goes wrong with one is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.benchmarks.stream import Stream

REQUESTS = itertools.repeat(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[int]:
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_a_slow_server_is_asked_no_less_often() -> None:
    async def slowly(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.Response()

    async with server(slowly) as port:
        stream = await Stream.open(port, REQUESTS, connections=4, per_s=100.0)
        window = await stream.run(0.3)
        stream.close()
    # Four connections without pause would have sent four or eight.
    assert window.answers > 12
    assert window.seconds > 0.3


async def test_an_answer_that_is_no_200_is_told() -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503)

    async with server(refuse) as port:
        stream = await Stream.open(port, REQUESTS, connections=1, per_s=1_000.0)
        with pytest.raises(RuntimeError, match=r"the server answered b'HTTP/1\.1 503"):
            await stream.run(1.0)
        stream.close()
