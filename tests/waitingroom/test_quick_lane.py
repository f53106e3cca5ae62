"""The way past the application gives the application's answers, and leaves to it whatever is out of the ordinary."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from tests.waitingroom.gates import cookies, exchange
from tests.waitingroom.living import JSON, Living, living
from tests.waitingroom.samples import device, onsale
from waitingroom.keyfiles import load_keyring
from waitingroom.web.whole import WholeAnswer, lines

SLOWLY = "?by=the-application"
SHOP = "https://shop.example.org"
# Nobody's turn comes while the two ways are compared, however long after its making here.
STANDING = onsale(opens_in_s=86_400, protect=[{"path": "/cactus"}])
DEVICE = {"Cookie": f"tidegate_device={device(1)}"}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths for which a whole answer was made."""
    paths: list[str] = []
    sent = WholeAnswer.prepare

    async def prepare(self: WholeAnswer, request: web.BaseRequest) -> object:
        paths.append(request.raw_path)
        return await sent(self, request)

    monkeypatch.setattr(WholeAnswer, "prepare", prepare)
    return paths


async def ask(
    here: Living, method: str, path: str, headers: dict[str, str]
) -> tuple[int, list[tuple[str, str]], str]:
    """Return status, sorted headers and body, without what differs from one answer to the next."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(method, here.room + path, headers={**JSON, **headers}) as answer,
    ):
        body = re.sub(r'"as_of":[0-9.]+', '"as_of":0', await answer.text())
        body = re.sub(r'"eta_s":\[[0-9,]+\]', '"eta_s":[0,0]', body)
        said = [
            (name.lower(), re.sub("tidegate_place=[^;]+", "tidegate_place=given", value))
            for name, value in answer.headers.items()
            if name != "Date" and (name.lower() != "x-request-id" or value == "trace-1")
        ]
        assert answer.headers["Date"]
        assert answer.headers["X-Request-Id"]
        return answer.status, sorted(said), re.sub('"place":"[^"]+"', '"place":"given"', body)


async def join(here: Living, path: str = "/cactus/join") -> dict[str, str]:
    """Join as device 1 and return the `Cookie` header of the place."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers={**JSON, **DEVICE}) as session,
        session.post(here.room + path) as answer,
    ):
        assert answer.status == 200
        return {"Cookie": f"{DEVICE['Cookie']}; tidegate_place={(await answer.json())['place']}"}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="plainly"),
        pytest.param({"Origin": SHOP}, id="from a page of the shop"),
        pytest.param({"Origin": SHOP, "Sec-Fetch-Site": "cross-site"}, id="from a shop on another domain"),
        pytest.param({"Origin": "https://elsewhere.example"}, id="from another's page"),
        pytest.param({"X-Request-Id": "trace-1"}, id="with a request id"),
    ],
)
async def test_both_ways_give_the_same_answers(
    tmp_path: Path, store_url: str, client: Redis, taken: list[str], more: dict[str, str]
) -> None:
    async with living(tmp_path, store_url, STANDING) as here:
        place = await join(here, "/cactus/join" + SLOWLY)
        async with asyncio.timeout(20):
            while '"waiting":1,' not in (await ask(here, "GET", "/cactus/status" + SLOWLY, place))[2]:
                await asyncio.sleep(0.01)
        admitted = cookies(keyring=load_keyring(tmp_path / "keys", ["cactus"]), secure=False)
        gate = {"X-Original-URI": "/cactus", "Cookie": admitted}
        asked = [
            ("GET", "/cactus/status", place),
            ("POST", "/cactus/join", DEVICE),
            ("GET", "/gate/auth", gate),
            ("GET", "/gate/auth", {**gate, "Cookie": "theme=dark"}),
        ]
        for method, path, headers in asked:
            slow = await ask(here, method, path + SLOWLY, {**headers, **more})
            assert not any(path in done for done in taken if SLOWLY in done)
            assert await ask(here, method, path, {**headers, **more}) == slow
    assert taken == ["/cactus/status", "/cactus/join", "/gate/auth"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param("GET /cactus/status HTTP/1.0\r\n", b'"state":"prequeue"', id="HTTP/1.0"),
        pytest.param(
            "GET /cactus/status HTTP/1.1\r\nConnection: close\r\n", b'"state":"prequeue"', id="close"
        ),
        pytest.param("HEAD /cactus/status HTTP/1.1\r\nConnection: close\r\n", b"\r\n\r\n", id="HEAD"),
        pytest.param(
            "GET /cactus/status HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n",
            b"HTTP/1.1 100 Continue",
            id="expects a word first",
        ),
        pytest.param(
            "POST /cactus/status HTTP/1.1\r\nConnection: close\r\n", b"405 Method Not Allowed", id="POST"
        ),
        pytest.param(
            "POST /cactus/join HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            b'"state":"prequeue"',
            id="a join with a body",
        ),
        pytest.param(
            "POST /cactus/join HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\n",
            b"403 Forbidden",
            id="a join that a page elsewhere makes",
        ),
        pytest.param(
            "POST /cactus/join HTTP/1.1\r\nAccept: text/html\r\nConnection: close\r\n",
            b"303 See Other",
            id="a page's form",
        ),
    ],
)
async def test_what_is_out_of_the_ordinary_goes_through_the_application(
    tmp_path: Path, store_url: str, client: Redis, sent: str, expected: bytes, taken: list[str]
) -> None:
    async with living(tmp_path, store_url, STANDING) as here:
        place = await join(here, "/cactus/join" + SLOWLY)
        first, _, rest = sent.partition("\r\n")
        head = f"{first}\r\nHost: room\r\nCookie: {place['Cookie']}\r\n{rest}"
        answer = await exchange(here.room, (head if "\r\n\r\n" in head else head + "\r\n").encode())
        assert expected in answer
        assert not taken


async def test_requests_sent_at_once_are_answered_in_their_order(
    tmp_path: Path, store_url: str, client: Redis, taken: list[str]
) -> None:
    async with living(tmp_path, store_url, STANDING) as here:
        cookie = (await join(here))["Cookie"]
        lines = f" HTTP/1.1\r\nHost: room\r\nCookie: {cookie}\r\nX-Request-Id: "
        sent = "".join(f"GET /cactus/status{lines}nr-{number}\r\n\r\n" for number in range(20))
        sent += f"GET /cactus/status{lines}last\r\nConnection: close\r\n\r\n"
        answers = (await exchange(here.room, sent.encode())).decode()
        ids = re.findall(r"X-Request-Id: (\S+)\r\n", answers)
        assert ids == [*(f"nr-{number}" for number in range(20)), "last"]
        assert len(re.findall('"number":1,', answers)) == 21


async def test_a_buyer_with_no_place_or_a_forged_one_is_told_so(
    tmp_path: Path, store_url: str, client: Redis, taken: list[str]
) -> None:
    async with living(tmp_path, store_url, STANDING) as here:
        for cookie in ("theme=dark", "tidegate_place=forged"):
            status, _, body = await ask(here, "GET", "/cactus/status", {"Cookie": cookie})
            assert (status, "No place" in body) == (404, True)
    assert not taken


async def test_a_room_that_comes_later_is_known_and_one_that_goes_is_not(
    tmp_path: Path, store_url: str, client: Redis, taken: list[str]
) -> None:
    async with living(tmp_path, store_url, STANDING, onsale("tulip", protect=[{"path": "/tulip"}])) as here:
        document = tmp_path / "onsales" / "cactus.yaml"
        await join(here)
        text = document.read_text()
        document.unlink()
        async with asyncio.timeout(20):
            while (await ask(here, "POST", "/cactus/join", DEVICE))[0] != 404:
                await asyncio.sleep(0.02)
            document.write_text(text)
            before = len(taken)
            while (await ask(here, "POST", "/cactus/join", DEVICE))[0] != 200:
                await asyncio.sleep(0.02)
    assert len(taken) > before


async def test_a_defect_is_told_as_a_problem_which_can_be_traced(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    async with living(tmp_path, store_url, STANDING) as here:
        place = await join(here)
        monkeypatch.setattr(here.rooms["cactus"], "standing", fail)
        for path in ("/cactus/status", "/cactus/status" + SLOWLY):
            status, headers, body = await ask(here, "GET", path, {**place, "X-Request-Id": "trace-1"})
            assert (status, "Defect" in body) == (500, True)
            assert ("x-request-id", "trace-1") in headers


async def test_a_client_that_reads_nothing_is_waited_for() -> None:
    """Its answers would gather in our memory: the next request is taken up when they are on their way."""
    answers, gathered = 40, []
    body = b"x" * 1_000_000

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        gathered.append(request.transport.get_write_buffer_size())
        return WholeAnswer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: room\r\n\r\n" * answers)
        for _ in range(answers):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(body))
        writer.close()
    assert len(gathered) == answers
    assert max(gathered) < len(body)


def test_a_value_that_would_end_its_line_is_refused() -> None:
    with pytest.raises(ValueError, match="X-Tidegate-Session: holds a control character"):
        lines([("Cache-Control", "no-store"), ("X-Tidegate-Session", "s-1\r\nSet-Cookie: a=b")])
