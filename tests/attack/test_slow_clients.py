"""Clients which say next to nothing, on real sockets: others are served meanwhile, and the slow ones are sent away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis

from tests.waitingroom.gates import cookies, proxied, shop_of, tell
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale
from waitingroom.gate.limits import ProxyLimits
from waitingroom.gate.trust import TrustedProxies
from waitingroom.web.patience import Patience

HEAD = b"GET /slow HTTP/1.1\r\nHost: a\r\n"
WITHIN_S = 30.0
LARGE = b"x" * 8_000_000  # more than both sockets hold


@asynccontextmanager
async def served(patience: Patience) -> AsyncIterator[int]:
    """Have a small server whose connections are watched; yields its port."""

    async def wait(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await request.app[GO].wait()
        await response.write(b"at last")
        return response

    app = web.Application()
    app[GO] = asyncio.Event()
    app.add_routes([web.get("/wait", wait), web.get("/slow", tell), web.get("/large", large)])
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    patience.install(runner.server)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        app[GO].set()
        await runner.cleanup()


GO = web.AppKey("go", asyncio.Event)


async def large(request: web.Request) -> web.Response:
    return web.Response(body=LARGE)


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A client that takes next to nothing of what it is answered."""
    with socket.socket() as client:
        client.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
        )  # before it connects: it is told to the server
        client.setblocking(False)
        yield client


async def dial(port: int, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await asyncio.wait_for(reader.readexactly(length), WITHIN_S)


async def read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    """Return what still comes; a reset is an end as well."""
    try:
        return await asyncio.wait_for(reader.read(), WITHIN_S)
    except ConnectionResetError:
        return b""


async def until_known(patience: Patience, count: int, now_s: float) -> None:
    """Have the patience look until it knows so many connections, none of which is overdue yet."""
    async with asyncio.timeout(WITHIN_S):
        while len(patience._resting._since_s) < count:
            assert patience.look(now_s) == 0
            await asyncio.sleep(0.01)


async def until_it_stands_still(patience: Patience) -> None:
    """Wait until an answer has been given to the only connection and no more of it goes out."""
    before = -1
    async with asyncio.timeout(WITHIN_S):
        while True:
            connections = patience._server.connections if patience._server else []
            transport = connections[0].transport if connections else None
            left = transport.get_write_buffer_size() if transport and not patience._resting._busy else 0
            if left and left == before:
                return
            before = left
            await asyncio.sleep(0.05)


async def until_nobody_is_there(patience: Patience) -> None:
    assert patience._server is not None
    async with asyncio.timeout(WITHIN_S):
        while patience._server.connections:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "sent", [b"", b"G", HEAD, HEAD + b"X-A: "], ids=["nothing", "a letter", "half", "drip"]
)
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    patience = Patience(TrustedProxies(), head_within_s=20.0)
    async with served(patience) as port:
        reader, writer = await dial(port, sent)
        await until_known(patience, 1, 100.0)
        assert patience.look(119.0) == 0
        writer.write(b"X")
        assert patience.look(121.0) == 1
        assert await read_to_the_end(reader) == b""
        writer.close()


async def test_a_request_under_way_is_left_alone_however_long_it_takes() -> None:
    patience = Patience(TrustedProxies([]), head_within_s=1.0, rest_within_s=1.0)
    async with served(patience) as port:
        reader, writer = await dial(port, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
        assert [patience.look(float(now)) for now in (100, 1_000, 100_000)] == [0, 0, 0]
        writer.close()


@pytest.mark.parametrize(("trusted", "closed"), [((), 1), (("127.0.0.0/8",), 0)], ids=["anybody", "a proxy"])
async def test_a_connection_may_rest_for_a_while_and_a_proxys_for_longer(
    trusted: tuple[str, ...], closed: int
) -> None:
    patience = Patience(TrustedProxies(trusted), head_within_s=20.0, rest_within_s=75.0)
    async with served(patience) as port:
        reader, writer = await dial(port, HEAD + b"\r\n")
        assert b"200 OK" in await read_answer(reader)
        await until_known(patience, 1, 100.0)
        assert patience.look(170.0) == 0  # beyond the time for a first head, which has come
        writer.write(HEAD)  # half a second one makes it no less idle
        assert patience.look(176.0) == closed
        writer.close()


async def test_a_connection_that_is_used_again_begins_anew() -> None:
    patience = Patience(TrustedProxies([]), rest_within_s=75.0)
    async with served(patience) as port:
        reader, writer = await dial(port, HEAD + b"\r\n")
        await read_answer(reader)
        await until_known(patience, 1, 100.0)
        writer.write(HEAD + b"\r\n")
        await read_answer(reader)
        await until_known(patience, 1, 170.0)
        assert patience.look(180.0) == 0
        writer.close()


@pytest.mark.parametrize("requests", [1, 3], ids=["one", "several at once"])
async def test_who_takes_no_answer_is_sent_away(deaf: socket.socket, requests: int) -> None:
    patience = Patience(TrustedProxies([]), rest_within_s=75.0)
    async with served(patience) as port:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", port))
        await loop.sock_sendall(deaf, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * requests)
        await until_it_stands_still(patience)
        assert [patience.look(now) for now in (100.0, 174.0, 176.0)] == [0, 0, 1]
        await until_nobody_is_there(patience)


async def test_an_answer_that_is_closed_already_does_not_stay_for_whoever_takes_none_of_it(
    deaf: socket.socket,
) -> None:
    patience = Patience(TrustedProxies([]), rest_within_s=75.0)
    async with served(patience) as port:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", port))
        await loop.sock_sendall(deaf, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await until_it_stands_still(patience)
        assert patience.look(100.0) == 0
        assert patience._server is not None
        patience._server.connections[0].force_close()  # as the library does: it waits until all is sent
        assert patience.look(176.0) == 1
        await until_nobody_is_there(patience)


async def test_what_is_gone_is_forgotten() -> None:
    patience = Patience(TrustedProxies([]))
    async with served(patience) as port:
        _, writer = await dial(port, b"G")
        await until_known(patience, 1, 100.0)
        writer.close()
        async with asyncio.timeout(WITHIN_S):
            while patience._resting._since_s or patience._transports or patience._resting._busy:
                patience.look(100.0)
                await asyncio.sleep(0.01)


async def test_a_hundred_that_drip_hold_nobody_up(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale()) as here:
        ports = [int(address.rpartition(":")[2]) for address in (here.room, here.gate)]
        heads = [
            b"POST /cactus/join HTTP/1.1\r\nHost: a\r\nX-Drip: ",
            b"POST /cactus/join HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
        ]
        slow = [await dial(port, head) for port in ports for head in heads for _ in range(25)]
        async with here.buyer() as buyer, asyncio.timeout(WITHIN_S):
            async with buyer.post(f"{here.room}/cactus/join") as answer:
                assert answer.status == 200
            async with buyer.get(f"{here.room}/cactus/status") as answer:
                assert answer.status == 200
            async with buyer.get(f"{here.gate}/") as answer:
                assert answer.status == 429
        for _, writer in slow:
            writer.write(b"x")
            writer.close()


async def test_a_body_at_a_standstill_gives_the_shops_connection_back() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        begun.set()
        try:
            await request.read()
        finally:
            ended.set()
        return web.Response()

    # Time enough for the shop to be asked first.
    async with proxied(shop_of(take), limits=ProxyLimits(body_s=1.0)) as gate:
        head = (
            f"POST /upload HTTP/1.1\r\nHost: shop.example.org\r\nCookie: {cookies()}\r\n"
            "Content-Length: 100000\r\n\r\n"
        )
        reader, writer = await dial(int(gate.rpartition(":")[2]), head.encode() + b"x" * 1000)
        await asyncio.wait_for(begun.wait(), WITHIN_S)
        answer = await read_answer(reader)
        assert answer.startswith(b"HTTP/1.1 408")
        await asyncio.wait_for(ended.wait(), WITHIN_S)
        writer.close()


async def test_a_body_that_comes_in_drops_gives_the_shops_connection_back() -> None:
    ended = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        try:
            await request.read()
        finally:
            ended.set()
        return web.Response()

    async with proxied(shop_of(take), limits=ProxyLimits(body_s=0.5)) as gate:
        head = (
            f"POST /upload HTTP/1.1\r\nHost: a\r\nCookie: {cookies()}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        reader, writer = await dial(int(gate.rpartition(":")[2]), head.encode())
        answer = asyncio.create_task(read_answer(reader))
        async with asyncio.timeout(WITHIN_S):
            while not answer.done():
                with suppress(ConnectionError):
                    writer.write(b"1\r\nx\r\n")
                    await writer.drain()
                await asyncio.sleep(0.05)  # a tenth of what is waited for one piece
        assert (await answer).startswith(b"HTTP/1.1 408")
        await asyncio.wait_for(ended.wait(), WITHIN_S)
        writer.close()


async def test_a_body_that_comes_slowly_and_steadily_passes_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2,000 bytes a second, for three minutes by the gate's clock; a minute is what it waits for one piece of it."""
    limits, piece = ProxyLimits(), b"7d0\r\n" + b"x" * 2000 + b"\r\n"
    assert limits.body_s is not None
    pieces, clock_s, got = int(3 * limits.body_s), 0.0, asyncio.Event()
    monkeypatch.setattr("waitingroom.gate.body.time", SimpleNamespace(monotonic=lambda: clock_s))

    async def take(request: web.Request) -> web.Response:
        taken = 0
        async for chunk in request.content.iter_any():
            taken += len(chunk)
            if taken % 2000 == 0:
                got.set()
        return web.json_response({"taken": taken})

    async with proxied(shop_of(take), limits=limits) as gate:
        head = (
            f"POST /upload HTTP/1.1\r\nHost: a\r\nCookie: {cookies()}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        reader, writer = await dial(int(gate.rpartition(":")[2]), head.encode())
        answer = asyncio.create_task(read_answer(reader))
        for _ in range(pieces):
            clock_s += 1.0
            got.clear()
            with suppress(ConnectionError):
                writer.write(piece)
                await writer.drain()
            arrival = asyncio.create_task(got.wait())
            await asyncio.wait({arrival, answer}, timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            arrival.cancel()
            if answer.done():
                break
        with suppress(ConnectionError):
            writer.write(b"0\r\n\r\n")
        told = await answer
        assert told.startswith(b"HTTP/1.1 200")
        assert told.endswith(b'{"taken": %d}' % (2000 * pieces))
        writer.close()


async def test_an_answer_that_nobody_takes_gives_the_shops_connection_back(
    deaf: socket.socket,
) -> None:
    ended = asyncio.Event()

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(LARGE[:65_536])
        finally:
            ended.set()

    async with proxied(shop_of(pour), limits=ProxyLimits(body_s=0.2)) as gate:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", int(gate.rpartition(":")[2])))
        asked = f"GET /film HTTP/1.1\r\nHost: shop.example.org\r\nCookie: {cookies()}\r\n\r\n"
        await loop.sock_sendall(deaf, asked.encode())
        await asyncio.wait_for(ended.wait(), WITHIN_S)
        told = b""
        while piece := await asyncio.wait_for(loop.sock_recv(deaf, 65_536), WITHIN_S):
            told += piece
        assert told.startswith(b"HTTP/1.1 200")
        assert not told.endswith(b"0\r\n\r\n")  # cut off: a part must not pass for the whole


async def test_a_socket_of_which_nothing_is_taken_gives_the_shops_connection_back(
    deaf: socket.socket,
) -> None:
    ended = asyncio.Event()

    async def pour(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        pouring = asyncio.create_task(_pour_into(response))
        await response.receive()  # until the gate closes
        ended.set()
        pouring.cancel()
        return response

    async with proxied(shop_of(pour), limits=ProxyLimits(body_s=0.2)) as gate:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", int(gate.rpartition(":")[2])))
        asked = (
            f"GET /live HTTP/1.1\r\nHost: shop.example.org\r\nCookie: {cookies()}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await loop.sock_sendall(deaf, asked.encode())
        await asyncio.wait_for(ended.wait(), WITHIN_S)
        told = b""
        with suppress(ConnectionResetError):  # an end as well
            while piece := await asyncio.wait_for(loop.sock_recv(deaf, 65_536), WITHIN_S):
                told += piece
        assert told.startswith(b"HTTP/1.1 101")


async def _pour_into(response: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        while True:
            await response.send_bytes(LARGE[:65_536])


async def test_an_answer_that_is_taken_bit_by_bit_arrives_whole() -> None:
    """However long it takes in all: the limit is for one piece."""
    whole, limit_s = 3_000_000, 2.0

    async def pour(request: web.Request) -> web.Response:
        return web.Response(body=LARGE[:whole])

    async with proxied(shop_of(pour), limits=ProxyLimits(body_s=limit_s)) as gate:
        head = f"GET /film HTTP/1.1\r\nHost: shop.example.org\r\nCookie: {cookies()}\r\nConnection: close\r\n\r\n"
        reader, writer = await dial(int(gate.rpartition(":")[2]), head.encode())
        began, taken = asyncio.get_running_loop().time(), 0
        while piece := await asyncio.wait_for(reader.read(65_536), WITHIN_S):
            taken += len(piece)
            await asyncio.sleep(0.05)
        assert taken > whole
        assert asyncio.get_running_loop().time() - began > limit_s
        writer.close()


async def test_a_shop_that_is_silent_for_long_is_no_buyers_fault() -> None:
    """Events that a shop sends once in a while: nothing waits to be taken, so nothing runs out."""

    async def tell_twice(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2):
            await response.write(b"data: seat\n\n")
            await asyncio.sleep(0.3)
        return response

    async with proxied(shop_of(tell_twice), limits=ProxyLimits(body_s=0.05)) as gate:
        head = f"GET /events HTTP/1.1\r\nHost: shop.example.org\r\nCookie: {cookies()}\r\nConnection: close\r\n\r\n"
        reader, writer = await dial(int(gate.rpartition(":")[2]), head.encode())
        assert (await asyncio.wait_for(reader.read(), WITHIN_S)).count(b"data: seat") == 2
        writer.close()


async def test_a_body_that_goes_on_slowly_arrives(tmp_path: Path) -> None:
    async with proxied(shop_of(tell), limits=ProxyLimits(body_s=20.0)) as gate:
        head = (
            f"POST /upload HTTP/1.1\r\nHost: shop.example.org\r\nCookie: {cookies()}\r\n"
            "Connection: close\r\nContent-Length: 5\r\n\r\n"
        )
        reader, writer = await dial(int(gate.rpartition(":")[2]), head.encode())
        for letter in b"drips":
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(0)
        answer = await asyncio.wait_for(reader.read(), WITHIN_S)
        assert b'"body": "drips"' in answer
        writer.close()


async def test_the_room_watches_its_connections(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(trusted: TrustedProxies, **times: Any) -> Patience:
        return Patience(trusted, head_within_s=0.1, **times)

    monkeypatch.setattr("waitingroom.serve.Patience", impatient)
    monkeypatch.setattr("waitingroom.web.patience._LOOK_EVERY_S", 0.05)
    async with living(tmp_path, store_url, onsale()) as here:
        for address in (here.room, here.gate):
            reader, writer = await dial(int(address.rpartition(":")[2]), HEAD)
            assert await read_to_the_end(reader) == b""
            writer.close()


async def test_who_hangs_up_in_the_middle_of_a_body_fills_no_log(
    tmp_path: Path, store_url: str, client: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    halves = (
        b"Content-Length: 100\r\n\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    )
    async with living(tmp_path, store_url, onsale()) as here:
        for path in ("cactus/join", "cactus/move", "gate/exchange", "gate/renew"):
            for half in halves:
                head = f"POST /{path} HTTP/1.1\r\nHost: a\r\n".encode()
                reader, writer = await dial(int(here.room.rpartition(":")[2]), head + half)
                writer.write_eof()
                assert b"HTTP/1.1 5" not in await read_to_the_end(reader), path
                writer.close()
        async with here.buyer() as buyer, buyer.get(f"{here.room}/healthz") as alive:
            assert alive.status == 200
    logged = "".join(capsys.readouterr())
    assert "failed" not in logged
    assert "Traceback" not in logged
