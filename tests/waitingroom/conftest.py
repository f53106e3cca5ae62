"""A real Valkey for the room's tests: one server a session, emptied before each test."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from tests.stores import own_valkey
from waitingroom.store.connect import connect


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    with own_valkey() as server:
        yield server.url


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[Redis]:
    client = connect(store_url)
    await client.flushall()
    yield client
    await client.aclose()
