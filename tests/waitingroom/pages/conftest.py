"""One browser and one store for all tests of the page: they run in one event loop, which is the session's."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser
from redis.asyncio import Redis

from tests.stores import Valkey
from tests.waitingroom.pages.browsing import chromium
from waitingroom.store.connect import connect


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = Valkey(Path(folder))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium_running() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium_running: Browser) -> AsyncIterator[Browser]:
    """The browser; devices go with their test.

    A page left open goes on asking, at a port where a later test may have its room: there it would be one more buyer.
    """
    before = chromium_running.contexts
    yield chromium_running
    for context in chromium_running.contexts:
        if context not in before:
            await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop() -> AsyncIterator[str]:
    """The address of a shop."""

    async def welcome(request: web.Request) -> web.Response:
        return web.Response(text="the shop")

    app = web.Application()
    app.router.add_get("/{path:.*}", welcome)
    async with TestServer(app) as server:
        yield str(server.make_url("/cactus"))


@pytest_asyncio.fixture(loop_scope="session")
async def client(store_url: str) -> AsyncIterator[Redis]:
    client = connect(store_url)
    await client.flushall()
    yield client
    await client.aclose()
