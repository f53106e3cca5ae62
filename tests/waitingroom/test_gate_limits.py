"""What the reverse proxy takes and how long it waits; and that no buyer turns a request into another protocol."""

import asyncio

import aiohttp
from aiohttp import web

from tests.waitingroom.gates import cookies, exchange, proxied, shop_of, tell
from tests.waitingroom.living import JSON
from waitingroom.gate.limits import ProxyLimits


async def test_an_exchange_beyond_the_total_time_is_a_504() -> None:
    never = asyncio.Event()

    async def shop(request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with (
        proxied(shop_of(shop), limits=ProxyLimits(total_s=0.2)) as gate,
        aiohttp.ClientSession(headers={**JSON, "Cookie": cookies()}) as buyer,
        buyer.get(f"{gate}/slow") as answer,
    ):
        assert answer.status == 504
        assert (await answer.json(content_type=None))["retry_after"] == 2


async def test_a_header_beyond_the_limit_is_refused_before_anything_is_judged() -> None:
    reached: list[str] = []

    async def shop(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    async with proxied(shop_of(shop), onsales=()) as gate:
        host = gate.removeprefix("http://")
        for line in (f"X-Long: {'x' * 70_000}", f"Cookie: {'c' * 70_000}"):
            answer = await exchange(gate, f"GET / HTTP/1.1\r\nHost: {host}\r\n{line}\r\n\r\n".encode())
            assert answer.split(b" ")[1] == b"400"
        answer = await exchange(
            gate, f"GET /{'p' * 9_000} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.split(b" ")[1] == b"400"
    assert reached == []


async def test_no_other_protocol_is_asked_of_the_shop() -> None:
    async with proxied(shop_of(tell), onsales=()) as gate:
        host = gate.removeprefix("http://")
        for upgrade in ("h2c", "TLS/1.0, HTTP/1.1", "websocket, h2c"):
            head = f"Host: {host}\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
            asked = f"GET /about HTTP/1.1\r\n{head}\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\r\n"
            answer = await exchange(gate, asked.encode())
            assert answer.split(b" ")[1] == b"200"
            assert b"pgrade" not in answer
            assert b"HTTP2-Settings" not in answer
