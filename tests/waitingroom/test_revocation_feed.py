"""A gate that follows the feed of revoked sessions and takes nothing of it holds none of our files for long."""

import asyncio
import socket
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from waitingroom import revocations
from waitingroom.gate.trust import TrustedProxies
from waitingroom.revocations import Revocations
from waitingroom.room import Room
from waitingroom.store.connect import StoreClient
from waitingroom.store.operations import Revocation
from waitingroom.web import admin_feed
from waitingroom.web.admin_feed import FEED_PATH, RevocationFeed
from waitingroom.web.limits import Clients

WITHIN_S = 20
ROOMS = cast("dict[str, Room]", {})


class Operations:
    """Tells once of more than a connection's sockets hold."""

    def __init__(self, client: StoreClient, onsale: str) -> None:
        self.onsale = onsale

    async def revocations(self, after: str) -> list[Revocation]:
        return [Revocation(f"{number}-1", self.onsale, "x" * 100_000, "revoke") for number in range(1, 200)]


async def test_a_listener_who_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "OnsaleOperations", Operations)
    monkeypatch.setattr(admin_feed, "TAKEN_WITHIN_S", 0.3)
    heard = Revocations(ROOMS, cast("Any", None), lambda session: None)
    app = web.Application()
    app.add_routes(RevocationFeed(heard, ROOMS, Clients(TrustedProxies([]))).routes())
    async with TestServer(app) as server:
        assert server.runner.server is not None
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, (server.host, server.port))
            await loop.sock_sendall(client, f"GET {FEED_PATH} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            async with asyncio.timeout(WITHIN_S):
                while not heard.listeners:
                    await asyncio.sleep(0.01)
                await heard.follow("cactus")
                while heard.listeners or server.runner.server.connections:
                    await asyncio.sleep(0.01)
