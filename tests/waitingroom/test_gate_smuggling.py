"""What two servers may read in two ways is refused, and the connection is closed: nothing of it reaches the shop."""

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.waitingroom.gates import exchange, proxied, shop_of
from tests.waitingroom.samples import onsale

STATUS_LINE = re.compile(rb"^HTTP/1\.[01] \d{3} ", re.MULTILINE)
HOST = b"Host: shop.example.org\r\n"
SHAKEN = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
REFUSED = {
    "both framings": b"POST /x HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "framings the other way round": b"POST /x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "two lengths": b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "the same length twice": b"POST /x HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc",
    "another coding": b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not last": b"POST /x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": b"POST /x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /x HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length : 3\r\n\r\nabc",
    "a control in a value": b"POST /x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"GET /x HTTP/1.1\r\n" + HOST + b"X-A: b\r\n Content-Length: 3\r\n\r\n",
    "bare line feeds": b"GET /x HTTP/1.1\nHost: a\n\n",
    "a bare carriage return": b"GET /x HTTP/1.1\r\n" + HOST + b"X-A: b\rX-C: d\r\n\r\n",
    "a zero byte": b"GET /x HTTP/1.1\r\n" + HOST + b"X-A: b\x00c\r\n\r\n",
    "an absolute target": b"GET http://shop.example.org/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target of another host": b"GET http://other.example/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "an authority for another method": b"GET shop.example.org:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /x#y HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank in the target": b"GET /x y HTTP/1.1\r\n" + HOST + b"\r\n",
    "raw bytes in the target": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a null in the path": b"GET /x%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of two onsales": b"GET /cactus/..%2fvip HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET /x HTTP/1.1\r\n\r\n",
    "no host in HTTP/1.0": b"GET /x HTTP/1.0\r\n\r\n",
    "an empty host": b"GET /x HTTP/1.1\r\nHost:\r\n\r\n",
    "two hosts": b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two hosts in one": b"GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "a user in the host": b"GET /x HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a path in the host": b"GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a header that is too long": b"GET /x HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
    "a handshake with a body": b"GET /x HTTP/1.1\r\n"
    + HOST
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc",
    **{
        f"a handshake by {line.decode()}": line.replace(b" ", b" /x ") + b"\r\n" + HOST + SHAKEN
        for line in (b"OPTIONS HTTP/1.1", b"POST HTTP/1.1", b"HEAD HTTP/1.1", b"GET HTTP/1.0")
    },
}
SECOND = b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture
async def reached() -> list[str]:
    return []


@pytest.fixture
async def gate(reached: list[str]) -> AsyncIterator[str]:
    async def note(request: web.Request) -> web.Response:
        reached.append(request.raw_path)
        return web.Response(text="shop")

    sales = (onsale("cactus", protect=[{"path": "/cactus"}]), onsale("vip", protect=[{"path": "/vip"}]))
    async with proxied(shop_of(note), onsales=sales) as address:
        yield address


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
async def test_an_ambiguous_request_gets_400_and_the_end_of_the_connection(
    gate: str, reached: list[str], sent: bytes
) -> None:
    answer = await exchange(gate, sent + SECOND)
    assert answer.split(b" ", 2)[1] == b"400"
    assert len(STATUS_LINE.findall(answer)) == 1
    assert reached == []


async def test_a_malformed_chunk_ends_the_connection(gate: str, reached: list[str]) -> None:
    answer = await exchange(
        gate,
        b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\nxyz\r\n" + SECOND,
    )
    assert b"/second" not in answer
    assert "/second" not in reached
    assert len(STATUS_LINE.findall(answer)) <= 1


async def test_two_sound_requests_on_one_connection_are_two_requests(gate: str, reached: list[str]) -> None:
    first = b"POST /first HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    answer = await exchange(gate, first + SECOND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answer.count(b"HTTP/1.1 200") == 2
    assert reached == ["/first", "/second"]
