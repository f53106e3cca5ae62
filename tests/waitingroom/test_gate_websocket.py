"""WebSockets cross the gate with a pass, both ways, and for no longer than the session lasts."""

import asyncio
import time
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.waitingroom.gates import admission, cookies, proxied, shop_of
from tests.waitingroom.samples import onsale
from waitingroom.gate.limits import ProxyLimits
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.stay import Stay
from waitingroom.passes import SKEW_S

QUICK = ProxyLimits(watch_every_s=0.01)


async def echo(request: web.Request) -> web.StreamResponse:
    """A shop which sends back what it gets, says who is there, and closes when told to."""
    socket = web.WebSocketResponse(protocols=["seats.v2", "seats.v1"])
    await socket.prepare(request)
    await socket.send_json({name: value for name, value in request.headers.items() if name != "Cookie"})
    async for message in socket:
        if message.data == "close":
            await socket.close(code=4001, message=b"sold out")
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    return socket


async def test_messages_cross_both_ways_with_the_session() -> None:
    async with proxied(shop_of(echo)) as gate, aiohttp.ClientSession() as buyer:
        headers = {"Cookie": cookies(), "X-Tidegate-Session": "forged", "Origin": "https://shop.example.org"}
        async with (
            asyncio.timeout(30),
            buyer.ws_connect(f"{gate}/live", headers=headers, protocols=["seats.v1", "x"]) as socket,
        ):
            told = await socket.receive_json()
            assert (told["X-Tidegate-Session"], told["Origin"]) == ("s-1", "https://shop.example.org")
            assert socket.protocol == "seats.v1"
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
            await socket.send_bytes(b"\x00" * 200_000)
            assert await socket.receive_bytes() == b"\x00" * 200_000
            await socket.send_str("close")
            closing = await socket.receive()
            assert (closing.type, closing.data, closing.extra) == (WSMsgType.CLOSE, 4001, "sold out")


async def test_a_handshake_without_a_pass_is_turned_away() -> None:
    async with proxied(shop_of(echo)) as gate, aiohttp.ClientSession() as buyer:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await buyer.ws_connect(f"{gate}/live")
    assert caught.value.status == 429


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "HEAD"])
async def test_a_way_past_the_gate_for_one_method_opens_no_socket(method: str) -> None:
    free = onsale(protect=[{"path": "/cactus"}], bypass=[{"path": "/cactus", "methods": [method]}])
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with (
        proxied(shop_of(echo), onsales=[free]) as gate,
        aiohttp.ClientSession() as stranger,
        stranger.request(method, f"{gate}/cactus/live", headers=handshake) as answer,
    ):
        assert answer.status == 400


async def test_the_socket_is_closed_when_the_session_is_over() -> None:
    sessions = Sessions({})
    async with (
        proxied(shop_of(echo), sessions=sessions, limits=QUICK) as gate,
        aiohttp.ClientSession() as buyer,
        asyncio.timeout(30),
        buyer.ws_connect(f"{gate}/live", headers={"Cookie": cookies()}) as socket,
    ):
        await socket.receive_json()
        sessions.end("cactus", "s-1")
        closing = await socket.receive()
    assert (closing.type, closing.data, closing.extra) == (WSMsgType.CLOSE, 1008, "the session is over")


async def test_the_shop_hears_when_the_buyer_leaves() -> None:
    left: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def listen(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        left.set_result(socket.close_code)
        return socket

    async with proxied(shop_of(listen)) as gate, aiohttp.ClientSession() as buyer, asyncio.timeout(30):
        socket = await buyer.ws_connect(f"{gate}/live", headers={"Cookie": cookies()})
        await socket.close(code=1000)
        assert await left == 1000


async def test_a_shop_that_declines_is_told_in_plain_http() -> None:
    async def decline(request: web.Request) -> web.Response:
        return web.Response(status=403)

    async with proxied(shop_of(decline)) as gate, aiohttp.ClientSession() as buyer:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await buyer.ws_connect(f"{gate}/live", headers={"Cookie": cookies()})
    assert caught.value.status == 403


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(ProxyLimits(read_s=0.2), id="silence"),
        pytest.param(ProxyLimits(total_s=0.2), id="in all"),
    ],
)
async def test_a_handshake_waits_for_the_shop_as_long_as_any_request(limits: ProxyLimits) -> None:
    async def keep_silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with (
        proxied(shop_of(keep_silent), limits=limits) as gate,
        aiohttp.ClientSession() as buyer,
        asyncio.timeout(30),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await buyer.ws_connect(f"{gate}/live", headers={"Cookie": cookies()})
    assert caught.value.status == 504


async def test_a_socket_on_which_nothing_happens_outlives_the_limits() -> None:
    limits = ProxyLimits(read_s=0.3, total_s=0.3)

    async def opened(buyer: aiohttp.ClientSession, gate: str) -> aiohttp.ClientWebSocketResponse:
        while True:  # on a busy machine the handshake, to which they apply, may take longer than them
            with suppress(aiohttp.WSServerHandshakeError):
                return await buyer.ws_connect(f"{gate}/live", headers={"Cookie": cookies()})

    async with (
        proxied(shop_of(echo), limits=limits) as gate,
        aiohttp.ClientSession() as buyer,
        asyncio.timeout(30),
        await opened(buyer, gate) as socket,
    ):
        await socket.receive_json()
        await asyncio.sleep(0.9)
        await socket.send_str("still there?")
        assert await socket.receive_str() == "still there?"


async def test_a_message_beyond_the_limit_ends_the_socket() -> None:
    limits = ProxyLimits(max_message_bytes=1000)
    async with (
        proxied(shop_of(echo), limits=limits) as gate,
        aiohttp.ClientSession() as buyer,
        asyncio.timeout(30),
        buyer.ws_connect(f"{gate}/live", headers={"Cookie": cookies()}) as socket,
    ):
        await socket.receive_json()
        await socket.send_bytes(b"a" * 2000)
        closing = await socket.receive()
    assert (closing.type, closing.data) == (WSMsgType.CLOSE, 1009)


def test_a_stay_slides_with_what_the_buyer_sends_up_to_the_hard_end() -> None:
    sessions = Sessions({})
    held = admission(left_s=60)
    now = time.time()
    stay = Stay(held, sessions, length_s=60)
    assert not stay.is_over(now + 60)
    assert stay.is_over(now + 60 + SKEW_S)
    stay.active(now + 50)
    assert not stay.is_over(now + 105)
    for later in range(100, 400, 25):
        stay.active(now + later)
    assert stay.is_over(held.ends_at_s + SKEW_S)


def test_a_stay_ends_with_its_session() -> None:
    sessions = Sessions({})
    stay = Stay(admission(), sessions, length_s=60)
    sessions.end("cactus", "s-1")
    assert stay.is_over(time.time())
