"""Connections to the store that are reset, under the event loop of production: the store is out of reach, no more."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from autoscaler.store.connection import open_client
from tests.chaos.relay import Relay, relaying
from tests.ports import free_ports
from tests.stores import TcpValkey
from tests.waitingroom.samples import settings
from waitingroom.errors import StoreUnavailable
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import StoreClient, connect

TRIES = 20


@pytest.fixture
def valkey() -> Iterator[TcpValkey]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        (port,) = free_ports(1)
        server = TcpValkey(Path(folder), port)
        server.start()
        yield server
        server.stop()


async def cut_and_mended(client: StoreClient, relay: Relay) -> list[type[BaseException] | None]:
    """Ask again and again while connections are reset, and after it; returns what came of each call."""
    store = OnsaleStore(client, "cactus", settings())
    await store.advance()
    seen: list[type[BaseException] | None] = []
    for turn in range(2 * TRIES):
        if turn % 4 == 0:
            relay.cut(silently=False)
        if turn % 4 == 2:
            relay.mend()
        # What the network tells is heard between two turns of the loop.
        await asyncio.sleep(0.005)
        try:
            await store.advance()
        except StoreUnavailable as error:
            seen.append(type(error))
        else:
            seen.append(None)
    return seen


@pytest.mark.parametrize("open_store", [connect, open_client], ids=["room", "scaler"])
def test_a_reset_connection_is_a_store_out_of_reach(valkey: TcpValkey, open_store: object) -> None:
    async def play() -> list[type[BaseException] | None]:
        async with relaying(valkey.port) as relay:
            client = open_store(f"redis://127.0.0.1:{relay.port}/0")  # type: ignore[operator]
            try:
                return await cut_and_mended(client, relay)
            finally:
                await client.aclose()

    seen = uvloop.run(play())
    assert set(seen) == {StoreUnavailable, None}
