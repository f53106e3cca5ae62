"""A waiting room as people write it: a sorted set in the store, asked for the buyer's rank with each poll.

It is what we are held against beside the bare handler, so it is given what helps it: a pool of connections, one round trip for a
join, an answer which says no more than the position, and our own quick way to read a cookie. What is left is the sorted set's.
"""

from __future__ import annotations

import time

from aiohttp import web
from redis.asyncio import Redis

from waitingroom.web.cookies import device_cookie, find_device


def make_app(store_url: str, name: str, key: str) -> web.Application:
    """Assemble the application; under `key` stand the device nonces of the onsale `name`, by the time at which they joined."""
    store: Redis = Redis.from_url(store_url, decode_responses=True)

    async def join(request: web.Request) -> web.Response:
        device = _device(request)
        async with store.pipeline(transaction=False) as together:
            together.zadd(key, {device: time.time()}, nx=True)
            together.zrank(key, device)
            _, rank = await together.execute()
        return web.json_response({"position": rank + 1, "ahead": rank})

    async def status(request: web.Request) -> web.Response:
        rank = await store.zrank(key, _device(request))
        if rank is None:
            raise web.HTTPNotFound
        return web.json_response({"position": rank + 1, "ahead": rank})

    async def close(app: web.Application) -> None:
        await store.aclose()

    app = web.Application()
    app.router.add_post(f"/{name}/join", join)
    app.router.add_get(f"/{name}/status", status)
    app.on_cleanup.append(close)
    return app


def _device(request: web.Request) -> str:
    device = find_device(request.headers.get("Cookie"), secure=True)
    if device is None:
        raise web.HTTPBadRequest(text=f"no {device_cookie(secure=True)}")
    return device
