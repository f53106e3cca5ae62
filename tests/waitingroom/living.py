"""A whole waiting room with its gate and a small shop behind it, on free ports, for tests over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from rulebook import Onsale
from tests.ports import free_port
from waitingroom.audit import Action
from waitingroom.room import Room
from waitingroom.serve import serving
from waitingroom.settings import ListenAddress, QueueSettings
from waitingroom.store.operations import OnsaleOperations

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html"}


async def open_doors(client: Redis, name: str = "cactus") -> None:
    """Open an onsale now, as an operator does: who has to see it before has all the time that this machine takes."""
    await OnsaleOperations(client, name).change(Action("ann", "test", "request-1"), "open")


@dataclass(frozen=True)
class Living:
    """Addresses of what runs, and the rooms by name."""

    room: str
    gate: str
    rooms: Mapping[str, Room]

    def buyer(self) -> aiohttp.ClientSession:
        """Return a new buyer's client: a cookie jar of its own."""
        return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=JSON)


async def echo(request: web.Request) -> web.StreamResponse:
    """The shop: tells what reached it."""
    if request.path.endswith("/stream"):
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response
    headers = {"X-Shop": "yes", "Connection": "X-Hop", "X-Hop": "secret"}
    if request.path == "/end":
        headers["X-Tidegate-End"] = "complete"
    return web.json_response(
        {"path": request.raw_path, "headers": dict(request.headers), "body": (await request.read()).decode()},
        headers=headers,
    )


@asynccontextmanager
async def living(folder: Path, store_url: str, *onsales: Onsale, **changes: Any) -> AsyncIterator[Living]:
    """Have a room up; `changes` replace fields of its settings."""
    documents = folder / "onsales"
    documents.mkdir(exist_ok=True)
    for onsale in onsales:
        fields: dict[str, Any] = onsale.model_dump(mode="json", by_alias=True, exclude_none=True)
        (documents / f"{onsale.name}.yaml").write_text(json.dumps(fields))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    room, gate = free_port(), free_port()
    async with TestServer(app) as shop:
        settings = QueueSettings(
            onsales=documents,
            store=store_url,
            keys=folder / "keys",
            listen=ListenAddress("127.0.0.1", room),
            room_url=f"http://127.0.0.1:{room}",
            gate=ListenAddress("127.0.0.1", gate),
            upstreams=(str(shop.make_url("/")),),
            refresh_every_s=0.05,
            secure_cookies=False,
        )
        async with serving(replace(settings, **changes)) as hall:
            rooms = hall.rooms
            async with asyncio.timeout(60):
                while any(each.snapshot is None for each in rooms.values()):
                    await asyncio.sleep(0.01)
            yield Living(f"http://127.0.0.1:{room}", f"http://127.0.0.1:{gate}", rooms)
