"""The reverse proxy holds nothing back, keeps the framing of a request, and stops when either side does."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tests.ports import free_port
from tests.waitingroom.gates import OPEN, exchange, proxied, raw_shop, shop_of, tell
from waitingroom.gate.limits import ProxyLimits


async def test_an_early_piece_of_an_answer_arrives_before_the_end() -> None:
    go_on = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"early")
        await go_on.wait()
        await response.write(b"late")
        return response

    async with (
        proxied(shop_of(slow), onsales=OPEN) as gate,
        aiohttp.ClientSession() as buyer,
        asyncio.timeout(30),
        buyer.get(f"{gate}/x") as answer,
    ):
        assert await answer.content.readexactly(5) == b"early"
        go_on.set()
        assert await answer.content.read() == b"late"


async def test_an_early_piece_of_a_request_arrives_before_the_end() -> None:
    heard = asyncio.Event()

    async def listen(request: web.Request) -> web.Response:
        assert await request.content.readexactly(5) == b"early"
        heard.set()
        return web.Response(body=await request.content.read())

    async def body() -> object:
        yield b"early"
        await heard.wait()
        yield b"late"

    async with (
        proxied(shop_of(listen), onsales=OPEN) as gate,
        aiohttp.ClientSession() as buyer,
        asyncio.timeout(30),
        buyer.post(f"{gate}/x", data=body()) as answer,
    ):
        assert await answer.read() == b"late"


async def test_a_request_is_framed_as_it_came() -> None:
    async with proxied(shop_of(tell), onsales=OPEN) as gate:
        sized = await exchange(
            gate, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
        )
        chunked = await exchange(
            gate,
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nConnection: close\r\n\r\n"
            b"3\r\nabc\r\n0\r\nX-T: trailer\r\n\r\n",
        )
    assert b'"Content-Length": "3"' in sized
    assert b'"body": "abc"' in sized
    assert b'"Transfer-Encoding": "chunked"' in chunked
    assert b'"body": "abc"' in chunked
    assert b"X-T" not in chunked


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [
        ("HEAD", 200, {"Content-Length": "1234"}),
        ("GET", 204, {}),
        ("GET", 304, {"ETag": '"a"'}),
    ],
)
async def test_answers_without_a_body_stay_without(method: str, status: int, headers: dict[str, str]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    async with proxied(shop_of(answer), onsales=OPEN) as gate:
        got = await exchange(gate, f"{method} /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert body == b""
    for name, value in headers.items():
        assert f"{name}: {value}".lower().encode() in head.lower()


async def test_an_answer_which_breaks_off_breaks_off_here_too() -> None:
    server, url = await raw_shop(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
    async with (
        server,
        proxied(shop_of(tell), onsales=OPEN, urls=[url]) as gate,
        aiohttp.ClientSession() as buyer,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            async with buyer.get(f"{gate}/x") as answer:
                await answer.read()


async def test_when_the_buyer_goes_away_the_request_to_the_shop_is_cancelled() -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return web.Response()

    async with proxied(shop_of(wait), onsales=OPEN) as gate, asyncio.timeout(30):
        async with aiohttp.ClientSession() as buyer:
            asking = asyncio.create_task(buyer.get(f"{gate}/x").__aenter__())
            await begun.wait()
            asking.cancel()
            await asyncio.wait([asking])
        await gone.wait()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_refused(chunked: bool) -> None:
    limits = ProxyLimits(max_body_bytes=10)
    sized = b"Content-Length: 11\r\n\r\n" + b"a" * 11
    pieces = b"Transfer-Encoding: chunked\r\n\r\n6\r\naaaaaa\r\n5\r\naaaaa\r\n0\r\n\r\n"
    async with proxied(shop_of(tell), onsales=OPEN, limits=limits) as gate:
        got = await exchange(gate, b"POST /x HTTP/1.1\r\nHost: a\r\n" + (pieces if chunked else sized))
        fits = await exchange(
            gate,
            b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n" + b"a" * 10,
        )
    assert got.split(b" ")[1] == b"413"
    assert fits.split(b" ")[1] == b"200"


async def test_a_shop_that_says_nothing_is_a_504() -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with proxied(shop_of(silent), onsales=OPEN, limits=ProxyLimits(read_s=0.05)) as gate:
        got = await exchange(gate, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert got.split(b" ")[1] == b"504"


async def test_a_replica_that_is_down_is_left_for_another() -> None:
    server, url = await raw_shop(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    down = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    async with server, proxied(shop_of(tell), onsales=OPEN, urls=[*down, url]) as gate:
        for _ in range(5):
            got = await exchange(
                gate, b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
            )
            assert got.endswith(b"ok")
    async with proxied(shop_of(tell), onsales=OPEN, urls=down) as gate:
        got = await exchange(gate, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert got.split(b" ")[1] == b"502"
