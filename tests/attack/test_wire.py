"""Odd bytes on the wire, to gate and room: one request is one request for the shop, and too much of anything is refused."""

import asyncio
import gzip
import random
import re
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from tests.waitingroom.gates import exchange, proxied, shop_of
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale
from waitingroom.gate.limits import ProxyLimits

STATUS_LINE = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
SIZES = [b"+5", b"-5", b"0x5", b" 5", b"5 ", b"5_0", b"FFFFFFFFFFFFFFFFF", b"5,5", b"", b"\xb2"]
ODD = {
    **{f"chunk size {size!r}": CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n" + HIDDEN for size in SIZES},
    "line feeds between chunks": CHUNKED + b"5\nhello\n0\n\n" + HIDDEN,
    "a line feed behind a chunk": CHUNKED + b"5\r\nhello\n0\r\n\r\n" + HIDDEN,
    "a line feed in an extension": CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "a carriage return in an extension": CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "a chunk longer than it says": CHUNKED + b"2\r\nhello\r\n0\r\n\r\n" + HIDDEN,
    "a fold in front of a length": b"POST /x HTTP/1.1\r\nHost: a\r\nX: y\r\n\tContent-Length: 9\r\n\r\n" + HIDDEN,
    "a length in hexadecimal": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello" + HIDDEN,
    "an empty length": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello" + HIDDEN,
    "a length beyond all": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n" + HIDDEN,
    "a header without a name": b"GET /x HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n" + HIDDEN,
    "another version": b"GET /x HTTP/2.0\r\nHost: a\r\n\r\n" + HIDDEN,
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "no version": b"GET /x\r\n\r\n" + HIDDEN,
}  # fmt: skip


@pytest.fixture
async def reached() -> list[str]:
    return []


@pytest.fixture
async def gate(reached: list[str]) -> AsyncIterator[str]:
    async def note(request: web.Request) -> web.Response:
        await request.read()
        forged = " with a forged session" if "X-Tidegate-Session" in request.headers else ""
        reached.append(f"{request.method} {request.raw_path}{forged}")
        return web.Response(text=f"shop {request.headers.get('Cookie', '')}")

    free = onsale(protect=[{"path": "/cactus"}])
    async with proxied(shop_of(note), onsales=[free]) as address:
        yield address


@pytest.mark.parametrize("sent", ODD.values(), ids=ODD.keys())
async def test_nothing_hides_behind_an_odd_request(gate: str, reached: list[str], sent: bytes) -> None:
    answer = await exchange(gate, sent)
    assert "GET /hidden" not in reached
    assert [int(status) for status in STATUS_LINE.findall(answer)] in ([400], [])


async def test_extensions_and_trailers_of_chunks_go_no_further(gate: str, reached: list[str]) -> None:
    last = HIDDEN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    trailers = b"0\r\nX-Tidegate-Session: forged\r\n\r\n"
    answer = await exchange(gate, CHUNKED + b'5;a="b;c"\r\nhello\r\n' + trailers + last)
    assert reached == ["POST /x", "GET /hidden"]  # the second is a request of its own, and answered
    assert answer.count(b"200 OK") == 2


async def test_a_length_among_the_trailers_is_refused(gate: str, reached: list[str]) -> None:
    answer = await exchange(gate, CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n" + HIDDEN)
    assert [int(status) for status in STATUS_LINE.findall(answer)] == [400]
    assert reached == []


async def test_http_1_0_kept_open_carries_two_requests(gate: str, reached: list[str]) -> None:
    first = b"POST /first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 38\r\n\r\n"
    second = b"GET /second HTTP/1.0\r\nHost: a\r\n\r\n"
    answer = await exchange(gate, first + HIDDEN[:38].ljust(38) + second)
    assert reached == ["POST /first", "GET /second"]
    assert answer.count(b"200 OK") == 2


@pytest.mark.parametrize(
    "asked", ["TRACE /x", "TRACE /cactus/x", "TRACE /.tidegate/enter", "CONNECT a:443", "CONNECT /x"]
)
async def test_methods_for_proxies_go_no_further(gate: str, reached: list[str], asked: str) -> None:
    sent = f"{asked} HTTP/1.1\r\nHost: a\r\nCookie: secret=1\r\n\r\n"
    answer = await exchange(gate, sent.encode() + HIDDEN)
    assert [int(status) for status in STATUS_LINE.findall(answer)] == [405]
    assert b"\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" in answer
    assert b"secret=1" not in answer
    assert reached == []


async def test_the_shop_of_these_tests_repeats_what_it_is_told(gate: str) -> None:
    told = b"GET /x HTTP/1.1\r\nHost: a\r\nCookie: secret=1\r\nConnection: close\r\n\r\n"
    assert b"secret=1" in await exchange(gate, told)


OVERSIZE = {
    "a line": b"GET /cactus/status?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header": b"GET /cactus/status HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "a cookie": b"GET /cactus/status HTTP/1.1\r\nHost: a\r\nCookie: tidegate_place=" + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET /cactus/status HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
}  # fmt: skip
OVERSIZE_BODY = {
    "a body": b"POST /cactus/join HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1_000_000,
    "a body of chunks": b"POST /cactus/join HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"ffff\r\n" + b"a" * 65_535 + b"\r\n",
}  # fmt: skip
SMALL = ProxyLimits(max_body_bytes=10_000)
FREE = onsale(protect=[{"path": "/seats"}])  # what is sent to the line comes to no limit


async def test_too_much_of_anything_is_refused_and_others_are_served(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, FREE, gate_limits=SMALL) as here:
        for address in (here.room, here.gate):
            for name, sent in OVERSIZE.items():
                # What is more than a socket holds may be cut off before the answer is read.
                assert await statuses_of(address, sent) in ([], [400]), (name, address)
            for name, sent in OVERSIZE_BODY.items():
                assert await statuses_of(address, sent) == [413], (name, address)
        async with here.buyer() as buyer, buyer.post(f"{here.room}/cactus/join") as answer:
            assert answer.status == 200
            assert (await answer.json())["number"] == 1


@pytest.mark.parametrize(
    ("host", "free"),
    [("x", False), ("10.0.0.5", False), ("tickets.example.org..", False), ("www.example.org", True)],
)
async def test_another_host_leads_not_around_any_gate(
    tmp_path: Path, store_url: str, client: Redis, host: str, free: bool
) -> None:
    sale = onsale(protect=[{"host": "tickets.example.org", "path": "/seats"}])
    async with living(tmp_path, store_url, sale, free_hosts=("www.example.org",)) as here:
        asked = {
            "proxy": (f"{here.gate}/seats", {"Host": host}, 429),
            "nginx": (f"{here.room}/gate/auth", {"Host": host, "X-Original-URI": "/seats"}, 401),
            "traefik": (
                f"{here.room}/gate/forward",
                {"X-Forwarded-Uri": "/seats", "X-Forwarded-Host": host, "X-Forwarded-Method": "GET"},
                429,
            ),
            "envoy": (f"{here.room}/gate/forward/seats", {"Host": host}, 429),
        }
        async with here.buyer() as buyer:
            for way, (address, headers, queued) in asked.items():
                async with buyer.get(address, headers=headers) as answer:
                    assert answer.status == (200 if free else queued), way


async def statuses_of(address: str, sent: bytes) -> list[int]:
    return [int(status) for status in STATUS_LINE.findall(await send(address, sent))]


async def test_a_compressed_body_reaches_the_shop_as_it_came(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    text = "a seat, please; " * 20_000
    codings = {"gzip": gzip.compress(text.encode()), "deflate": zlib.compress(text.encode())}
    async with living(tmp_path, store_url, FREE, gate_limits=SMALL) as here, here.buyer() as buyer:
        for coding, squeezed in codings.items():
            assert len(squeezed) < 10_000 < len(text)  # what is counted is what is carried
            headers = {"Content-Encoding": coding}
            async with buyer.post(f"{here.gate}/order", data=squeezed, headers=headers) as answer:
                assert answer.status == 200
                told = await answer.json()
            assert told["body"] == text
            assert told["headers"]["Content-Encoding"] == coding
        noise = gzip.compress(random.Random(4711).randbytes(10_000))
        assert len(noise) > 10_000
        headers = {"Content-Encoding": "gzip"}
        async with buyer.post(f"{here.gate}/order", data=noise, headers=headers) as answer:
            assert answer.status == 413


async def send(address: str, sent: bytes) -> bytes:
    """Send bytes and return what comes back until the end, or until nothing comes any more."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    told = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(30):
            while b"\r\n\r\n" not in told:
                piece = await reader.read(65_536)
                if not piece:
                    break
                told += piece
    except ConnectionError:
        pass
    finally:
        writer.close()
    return told
