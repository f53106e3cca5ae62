"""What crosses the reverse proxy, and what stays on its side."""

import aiohttp
import pytest
import structlog
from multidict import CIMultiDict, CIMultiDictProxy

from tests.waitingroom.gates import (
    OPEN,
    ROOM_URL,
    admission,
    cookies,
    exchange,
    proxied,
    raw_shop,
    shop_of,
    tell,
)
from tests.waitingroom.samples import onsale
from waitingroom.gate.headers import AnswerRefused, answer_headers


async def seen(address: str, path: str = "/x", **more: str) -> dict[str, str]:
    async with (
        aiohttp.ClientSession() as buyer,
        buyer.get(
            address + path, headers={name.replace("_", "-"): value for name, value in more.items()}
        ) as answer,
    ):
        assert answer.status == 200
        return dict((await answer.json())["headers"])


async def test_a_raw_target_reaches_the_shop_as_it_was_judged() -> None:
    async with proxied(shop_of(tell), onsales=OPEN) as gate:
        answer = await exchange(
            gate,
            b"GET /a%2Fb/./%7e//c;d?q=%20&r=/../ HTTP/1.1\r\nHost: shop.example.org:81\r\nConnection: close\r\n\r\n",
        )
    assert b'"path": "/a%2Fb/./%7e//c;d?q=%20&r=/../"' in answer
    assert b'"Host": "shop.example.org:81"' in answer


async def test_what_a_buyer_says_of_the_way_it_came_is_dropped() -> None:
    forged = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "forged.example",
        "X-Forwarded-Prefix": "/admin",
        "Forwarded": "for=192.0.2.1",
        "X-Real-IP": "192.0.2.1",
        "X-Client-IP": "192.0.2.1",
        "X-Cluster-Client-IP": "192.0.2.1",
        "True-Client-IP": "192.0.2.1",
        "CF-Connecting-IP": "192.0.2.1",
        "Fastly-Client-IP": "192.0.2.1",
        "X-Host": "forged.example",
        "X-HTTP-Host-Override": "forged.example",
        "X-Original-URL": "/admin",
        "X-Rewrite-URL": "/admin",
        "X-Tidegate-Session": "forged",
        "X_Forwarded_For": "192.0.2.1",
        "Proxy-Authorization": "secret",
        "TE": "trailers",
        "Connection": "keep-alive, X-Secret, X-Forwarded-For",
        "X-Secret": "for this hop",
    }
    async with (
        proxied(shop_of(tell), onsales=OPEN) as gate,
        aiohttp.ClientSession() as buyer,
        buyer.get(f"{gate}/x", headers=forged) as answer,
    ):
        headers = CIMultiDict((await answer.json())["headers"])
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Forwarded-Host"] == headers["Host"]
    for name in forged.keys() - {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Connection"}:
        assert name not in headers


async def test_a_trusted_proxy_is_believed_and_added_to() -> None:
    told = {
        "X_Forwarded_For": "192.0.2.1, 198.51.100.7",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "shop.example.org",
    }
    async with proxied(shop_of(tell), onsales=OPEN, trusted=["127.0.0.1"]) as gate:
        headers = await seen(gate, **told)
    assert headers["X-Forwarded-For"] == "192.0.2.1, 198.51.100.7, 127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["X-Forwarded-Host"] == "shop.example.org"


async def test_a_host_in_a_trusted_header_is_judged_too() -> None:
    sale = onsale(protect=[{"host": "tickets.example.org", "path": "/"}])
    free = {"Host": "www.example.org"}
    async with (
        proxied(shop_of(tell), onsales=[sale], trusted=["127.0.0.1"], free_hosts=["www.example.org"]) as gate,
        aiohttp.ClientSession() as buyer,
    ):
        async with buyer.get(f"{gate}/x", headers=free) as answer:
            assert answer.status == 200
        named = free | {"X-Forwarded-Host": "tickets.example.org"}
        async with buyer.get(f"{gate}/x", headers=named) as answer:
            assert answer.status == 429
        both = {"Host": "tickets.example.org", "X-Forwarded-Host": "www.example.org"}
        async with buyer.get(f"{gate}/x", headers=both) as answer:
            assert answer.status == 429


HOSTS = ["x", "10.0.0.5", "[2001:db8::1]", "other.example.org", "tickets.example.org..", "-"]


@pytest.mark.parametrize("host", HOSTS)
async def test_another_host_leads_not_around_the_line(host: str) -> None:
    sale = onsale(
        protect=[{"host": "tickets.example.org", "path": "/cactus"}],
        bypass=[{"path": "/cactus/healthz", "methods": ["GET"]}],
    )
    async with proxied(shop_of(tell), onsales=[sale]) as gate:
        for path, status in (("/cactus/seats", b"429"), ("/cactus/healthz", b"200"), ("/healthz", b"200")):
            sent = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            assert (await exchange(gate, sent.encode())).split(b" ")[1] == status, path
        passed = (
            f"GET /cactus/seats HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies()}\r\nConnection: close\r\n\r\n"
        )
        assert (await exchange(gate, passed.encode())).split(b" ")[1] == b"200"


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"])
async def test_a_header_that_names_another_method_closes_a_bypass_for_one(name: str) -> None:
    sale = onsale(protect=[{"path": "/cactus"}], bypass=[{"path": "/cactus/hook", "methods": ["POST"]}])
    async with proxied(shop_of(tell), onsales=[sale]) as gate, aiohttp.ClientSession() as stranger:
        for headers, path, status in (
            ({}, "/cactus/hook", 200),
            ({name: "PUT"}, "/cactus/hook", 429),
            ({name: "PUT"}, "/free", 200),
        ):
            async with stranger.post(gate + path, headers=headers) as answer:
                assert answer.status == status


async def test_a_host_that_two_onsales_may_guard_is_refused() -> None:
    sales = [
        onsale("cactus", protect=[{"host": "cactus.example.org", "path": "/"}]),
        onsale("tulip", protect=[{"host": "tulip.example.org", "path": "/"}]),
    ]
    async with proxied(shop_of(tell), onsales=sales) as gate:
        sent = f"GET /x HTTP/1.1\r\nHost: a\r\nCookie: {cookies()}\r\n\r\n"
        answer = await exchange(gate, sent.encode())
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"host: named by no onsale" in answer


async def test_a_host_that_nobody_has_named_is_told_of_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("waitingroom.gate.unnamed.log", structlog.get_logger())  # none that was kept before
    sale = onsale(protect=[{"host": "tickets.example.org", "path": "/cactus"}])
    with structlog.testing.capture_logs() as logged:
        async with proxied(shop_of(tell), onsales=[sale]) as gate, aiohttp.ClientSession() as buyer:
            for host, path in (
                ("tickets.example.org", "/cactus"),
                ("a", "/"),
                ("b", "/cactus"),
                ("c", "/cactus"),
            ):
                async with buyer.get(gate + path, headers={"Host": host}):
                    pass
    told = [(line["host"], line["onsale"]) for line in logged if line["event"] == "host_unnamed"]
    assert told == [("b", "cactus")]


async def test_the_proxy_adds_no_headers_of_its_client_library() -> None:
    async with proxied(shop_of(tell), onsales=OPEN) as gate:
        answer = await exchange(gate, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    for name in (b"Accept-Encoding", b"User-Agent", b'"Accept"'):
        assert name not in answer


async def test_a_pass_that_grows_old_is_renewed_on_the_way_back() -> None:
    async with proxied(shop_of(tell)) as gate, aiohttp.ClientSession() as buyer:
        old = {"Cookie": cookies(admission(age_s=30, left_s=30))}
        async with buyer.get(f"{gate}/x", headers=old) as answer:
            assert answer.status == 200
            assert answer.headers["Set-Cookie"].startswith("tidegate_pass_cactus=ey")
        async with buyer.get(f"{gate}/x") as turned_away:
            assert (await turned_away.json())["location"] == f"{ROOM_URL}/cactus/"


@pytest.mark.parametrize(
    ("answer", "status", "absent"),
    [
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"200",
            b"Link",
            id="an early hint is dropped",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: trailer\r\n\r\n",
            b"200",
            b"X-T",
            id="trailers are dropped",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: secret\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok",
            b"200",
            b"secret",
            id="what is meant for the hop is dropped",
        ),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
            b"502",
            b"Upgrade",
            id="an upgrade nobody asked for",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: c=d\r\nContent-Length: 2\r\n\r\nok",
            b"502",
            b"Set-Cookie",
            id="splitting",
        ),
        pytest.param(b"nonsense\r\n\r\n", b"502", b"nonsense", id="no HTTP"),
        pytest.param(b"", b"502", b"HTTP/1.1 200", id="nothing"),
    ],
)
async def test_an_odd_answer_of_the_shop_is_tamed(answer: bytes, status: bytes, absent: bytes) -> None:
    server, url = await raw_shop(answer)
    async with server, proxied(shop_of(tell), onsales=OPEN, urls=[url]) as gate:
        got = await exchange(gate, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert got.split(b" ")[1] == status
    assert absent not in got


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b=c", "a\nb", "a\rb", "a\x00b"])
def test_a_line_end_in_an_answers_header_is_refused(value: str) -> None:
    with pytest.raises(AnswerRefused, match="line end"):
        list(answer_headers(CIMultiDictProxy(CIMultiDict({"X-A": value}))))
