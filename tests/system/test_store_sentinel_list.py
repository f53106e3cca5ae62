"""Callers who look for the master at once don't make each other forget a Sentinel: neither in the room nor in the scaler."""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from autoscaler.store.connection import open_client
from autoscaler.store.servers import MasterClient
from tests.ports import free_ports
from tests.stores import SentinelServer, TcpValkey, eventually
from waitingroom.store.connect import SentinelClient, connect


@pytest.mark.parametrize("opened", [pytest.param(connect, id="room"), pytest.param(open_client, id="scaler")])
async def test_every_sentinel_that_was_named_is_asked_again_and_closed(
    opened: Callable[[str], object],
) -> None:
    silent, also_silent, port, guard = free_ports(4)
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        master = TcpValkey(Path(folder) / "master", port)
        sentinel = SentinelServer(Path(folder) / "sentinel", guard, master, "tide")
        try:
            master.start()
            sentinel.start()
            eventually(lambda: sentinel.ask("SENTINEL", "MASTER", "tide")["flags"] == "master")
            named = ",".join(f"127.0.0.1:{each}" for each in (silent, guard, also_silent))
            client = opened(f"redis+sentinel://{named}/tide/0")
            assert isinstance(client, SentinelClient | MasterClient)
            async with aclosing(client):
                assert client.sentinels is not None
                for _ in range(3):
                    await asyncio.gather(*(client.sentinels.discover_master("tide") for _ in range(8)))
                    asked = [
                        each.connection_pool.connection_kwargs["port"] for each in client.sentinels.sentinels
                    ]
                    assert asked[0] == guard
                    assert sorted(asked) == sorted([silent, guard, also_silent])
                assert await client.ping()
        finally:
            sentinel.stop()
            master.stop()
